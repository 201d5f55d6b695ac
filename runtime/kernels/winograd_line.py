"""Convolution of int8 by 3x3 kernels in two thirds of the multiply-adds: Winograd's F(2, 3) along each line.

A chunk is a band of lines, whose transformed inputs lie in scratch memory that the first cache holds beside weights: of
each line four planes of pairs x channels. A pair of outputs stays in registers from its products to its bytes, which
are few where channels are: there the squares of winograd.py cost more than they save.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..compiler.abi import Int, Ptr, roll

if TYPE_CHECKING:
    from ..simd.isa import Isa


def winograd_line(isa: Isa, columns: int, tail: int | None, finish: str) -> Callable[..., None]:
    """Exactly: the weights' transform is taken twice as large, transformed inputs are int16, and a sum that wraps on
    its way is right again at its end. Where products are of int16 (x86 without VNNI).

    x, y: first element inside the border; *_row, *_pixel: pitches in bytes. v: scratch for transformed inputs. band:
    lines of a chunk, at most height; across: pairs of a line. width: outputs of a line, at least 2. channels: at least
    two vectors' lanes. steps: of a line of the kernel. last_channel: the
    first of the last block's outputs, of which there may be fewer than a block holds (tail).
    """
    tile = isa.winograd_line(columns)
    spread, init, run, store, lanes = tile.spread, tile.init, tile.run, tile.store(tail, finish), 2 * isa.lanes
    width_ = columns * isa.lanes

    def transform(x, v, lines, across, width, channels, x_row, x_pixel):  # type: ignore[no-untyped-def]
        pitch = 2 * channels
        plane = across * pitch
        for line in range(lines):
            at, to = x + line * x_row, v + 4 * line * plane
            last = at + (width - 2) * x_pixel
            for _ in range(across):
                channel = 0
                while channel < channels:
                    first = min(channel, channels - lanes)
                    spread(at + first, x_pixel, to + first * 2, plane)
                    channel = channel + lanes
                at = min(at + 2 * x_pixel, last)
                to = to + pitch

    transform = isa.inline(transform)

    @roll
    def kernel(
        start: Int, stop: Int, x: Ptr, w: Ptr, bias: Ptr, scale: Ptr, y: Ptr, v: Ptr, band: Int, height: Int,
        width: Int, across: Int, channels: Int, steps: Int, blocks: Int, x_row: Int, x_pixel: Int, y_row: Int,
        y_pixel: Int, last_channel: Int, zero_point: Int, low: Int, high: Int,
    ) -> None:  # fmt: skip
        pitch = 2 * channels
        plane = across * pitch
        for chunk in range(start, stop):
            top = min(chunk * band, height - band)
            transform(x + top * x_row, v, band + 2, across, width, channels, x_row, x_pixel)
            for line in range(band):
                read, out = v + 4 * line * plane, y + (top + line) * y_row
                last = out + (width - 2) * y_pixel
                for _ in range(across):
                    weights, shift, first = w, 0, 0
                    for _ in range(blocks):
                        acc, at = init(), read
                        for _ in range(3):
                            acc, weights = run(acc, at, plane, 0, weights, steps, 0)
                            at = at + 4 * plane
                        store(acc, bias + first, out + shift, y_pixel, scale + first, zero_point, low, high)
                        shift = min(shift + width_, last_channel)
                        first = first + width_ * 4
                    read, out = read + pitch, min(out + 2 * y_pixel, last)

    return kernel
