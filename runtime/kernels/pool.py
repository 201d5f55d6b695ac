"""Sums, averages and extremes over windows of a channels-last tensor; a reduction is one large window."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ..compiler.abi import Float, Int, Ptr

if TYPE_CHECKING:
    from ..simd.isa import Isa

ENTRY = 16
"""Bytes of a table's entry: four int32."""


def pool(
    isa: Isa, element: str, operation: str, lanes: int, offsets: Sequence[int], window_rows: int, window_taps: int,
    epilogue: str, long: bool, activation: str | None,
) -> Callable[..., None]:  # fmt: skip
    """A chunk is one line of outputs of `blocks` neighbouring blocks of channels: all of them, or one.

    rows, columns: tables of the windows along each axis: byte offset into x, byte offset into y, elements inside x,
    elements that a mean counts. tap_row, tap: bytes between a window's elements.
    element, operation, lanes, offsets, epilogue: see PoolTile (epilogue: "plain" and "mean" of float32, the others of
    bytes). window_rows, window_taps: the window that is taken at once; others are done row by row, window_taps at
    once. long: windows have more than SHORT_SUM elements.
    first_number, second_number: of the activation, which float32 may have.
    bias: added to the total per element (once to an extreme), pad_bias: per element that counts but lies outside x.
    """
    from ..simd.pool_tile import SHORT_SUM
    from .functions import bind

    tile = isa.pool(element, operation, lanes, offsets)
    init, zero, flush, step, steps = tile.init, tile.zero, tile.flush, tile.step, tile.steps(window_taps)
    window = tile.window(window_rows, window_taps)
    if epilogue in ("plain", "mean"):
        store = tile.store_float(bind(activation), epilogue == "mean")
    elif epilogue.startswith("scaled"):
        store = tile.store_scaled(epilogue == "scaled_offset")
    else:
        store = tile.store_average() if epilogue == "average" else tile.store_bytes()
    load = isa.scalar_load("i32")
    item, width, summed = tile.item, offsets[-1] + lanes, operation == "sum"

    @isa.inline
    def run(acc, x, pitch, count):  # type: ignore[no-untyped-def]
        while count >= window_taps:
            acc = steps(acc, x, pitch)
            x = x + window_taps * pitch
            count = count - window_taps
        while count > 0:
            acc = step(acc, x)
            x = x + pitch
            count = count - 1
        return acc

    def kernel(
        start: Int, stop: Int, x: Ptr, y: Ptr, rows: Ptr, columns: Ptr, lines: Int, blocks: Int, pixels: Int,
        tap_row: Int, tap: Int, last_channel: Int, bias: Int, pad_bias: Int, ratio: Float, offset: Float,
        zero_point: Int, low: Int, high: Int, first_number: Float, second_number: Float,
    ) -> None:  # fmt: skip
        for chunk in range(start, stop):
            group = chunk // lines
            row = rows + (chunk - group * lines) * ENTRY
            tall, row_count = load(row + 8), load(row + 12)
            for block in range(group * blocks, group * blocks + blocks):
                first = min(block * width, last_channel) * item
                x_line = x + load(row) + first
                y_line = y + load(row + 4) + first
                column = columns + 0
                for _ in range(pixels):
                    wide = load(column + 8)
                    a = x_line + load(column)
                    if tall == window_rows and wide == window_taps:
                        total = flush(zero(), window(a, tap_row, tap))
                    elif long:
                        total = zero()
                        for _ in range(tall):
                            left, part = wide, a
                            while left > 0:
                                size = min(left, SHORT_SUM)
                                total = flush(total, run(init(), part, tap, size))
                                part = part + size * tap
                                left = left - size
                            a = a + tap_row
                    else:
                        acc = init()
                        for _ in range(tall):
                            acc = run(acc, a, tap, wide)
                            a = a + tap_row
                        total = flush(zero(), acc)
                    inside, count = tall * wide, row_count * load(column + 12)
                    if not summed:
                        inside, count = 1, 1
                    biased = bias * inside + pad_bias * (count - inside)
                    store(
                        total, y_line + load(column + 4), count, biased, ratio, offset, zero_point, low, high,
                        first_number, second_number,
                    )  # fmt: skip
                    column = column + ENTRY

    return kernel
