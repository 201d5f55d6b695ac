"""Resampling of one or two axes of a map by tables of indices and weights."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ..compiler.abi import Int, Ptr

if TYPE_CHECKING:
    from ..simd.isa import Isa


def resample(
    isa: Isa, element: str, lanes: int, offsets: Sequence[int], row_taps: int, column_taps: int, bits: int
) -> Callable[..., None]:
    """A chunk is one line of outputs of one block of channels. See ResampleStep, also for the entries of the tables.

    lines: of outputs. pixels: of a line. last_channel: first channel of the last block.
    """
    point = isa.resample(element, lanes, offsets, (row_taps, column_taps), bits)
    prepare, step, item, width = point.row, point.step, point.item, offsets[-1] + lanes
    row_bytes, column_bytes = point.entry_bytes(row_taps), point.entry_bytes(column_taps)
    load = isa.scalar_load("i32")

    def kernel(
        start: Int,
        stop: Int,
        x: Ptr,
        y: Ptr,
        rows: Ptr,
        columns: Ptr,
        lines: Int,
        blocks: Int,
        pixels: Int,
        last_channel: Int,
    ) -> None:
        for chunk in range(start, stop):
            group = chunk // lines
            entry = rows + (chunk - group * lines) * row_bytes
            row = prepare(entry)
            for block in range(group * blocks, group * blocks + blocks):
                first = min(block * width, last_channel) * item
                out = y + load(entry) + first
                column = columns + 0
                for _ in range(pixels):
                    step(row, x + first, out + load(column), column)
                    column = column + column_bytes

    return kernel
