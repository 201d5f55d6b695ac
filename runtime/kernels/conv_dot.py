"""Convolutions of very few output channels: lanes run along what is summed up, and a tile is a vector of pixels."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..compiler.abi import Float, Int, Ptr

if TYPE_CHECKING:
    from ..simd.isa import Isa


def conv_dot_f32(isa: Isa, tail: int, activation: str | None, dense: bool) -> Callable[..., None]:
    """float32, with a fused activation by up to two numbers. A chunk is one row of outputs.

    Geometry as of conv.py; pixels: at least a vector's lanes. steps: whole vectors of a run; tail: elements of it that
    are left. panel: bytes of weights of an output channel, as they are read. dense: outputs are neighbours in memory.
    """
    from .functions import bind

    tile = isa.dot_tile(tail)
    init, step, rest, store = tile.init, tile.step, tile.rest, tile.store(bind(activation), dense)
    lanes = isa.lanes

    def kernel(
        start: Int, stop: Int, x: Ptr, w: Ptr, bias: Ptr, y: Ptr, pixels: Int, outputs: Int,
        x_row: Int, x_pixel: Int, y_row: Int, y_pixel: Int,
        kernel_rows: Int, kernel_row: Int, taps: Int, kernel_tap: Int, steps: Int, panel: Int,
        first_number: Float, second_number: Float,
    ) -> None:  # fmt: skip
        for line in range(start, stop):
            done = 0
            while done < pixels:
                pixel = min(done, pixels - lanes)
                done = done + lanes
                for channel in range(outputs):
                    weights = w + channel * panel
                    window = x + line * x_row + pixel * x_pixel
                    acc = init()
                    for _ in range(kernel_rows):
                        tap = window
                        for _ in range(taps):
                            at = tap
                            for _ in range(steps):
                                acc = step(acc, at, x_pixel, weights)
                                at = at + 4 * lanes
                                weights = weights + 4 * lanes
                            if tail:
                                acc = rest(acc, at, x_pixel, weights)
                                weights = weights + 4 * tail
                            tap = tap + kernel_tap
                        window = window + kernel_row
                    out = y + line * y_row + pixel * y_pixel + 4 * channel
                    store(acc, bias + 4 * channel, out, y_pixel, first_number, second_number)

    return kernel
