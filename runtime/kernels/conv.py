"""Convolution and matrix product as one direct kernel: no im2col, no edge cases.

The input has its border in memory already. The reduction runs over KH rows of taps; a row is `taps` runs of
contiguous elements (one run of KW * C where dilation and groups allow, else one run of C / group per tap), which are
read `passes` times where weights beyond 8 bits are the sum of two.
Loop order: block of output channels outermost, so that its weight panel stays in L1; then output rows; then tiles of
`rows` pixels, the last of which overlaps the one before, so that no remainder is ever handled. A chunk is one row of
`blocks` neighbouring blocks, which are all of them where threads share the rows, or one where they share the blocks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..compiler.abi import Float, Int, Ptr

if TYPE_CHECKING:
    from ..simd.isa import Isa


def _product(isa: Isa, run: Any) -> Any:
    """product(tile, x, weights, ...) -> tile, to which all taps of its pixels were added."""

    def product(acc, x, weights, kernel_rows, kernel_row, taps, kernel_tap, passes, pitch, steps):  # type: ignore[no-untyped-def]
        for _ in range(kernel_rows):
            tap = x
            for _ in range(taps):
                for _ in range(passes):
                    acc, weights = run(acc, tap, pitch, weights, steps)
                tap = tap + kernel_tap
            x = x + kernel_row
        return acc

    return isa.inline(product)


def conv_int8(isa: Isa, rows: int, columns: int, tail: int | None, finish: str) -> Callable[..., None]:
    """int8 convolution with the requantizing epilogue.

    x, y: first element inside the border. *_row, *_pixel: pitches in bytes. kernel_row, kernel_tap: distances in bytes
    between rows of taps and between runs. panel: bytes of packed weights per block. lines: output rows per
    block.
    """
    tile = isa.int8_tile(rows, columns)
    init, product, store = tile.init, _product(isa, tile.run), tile.store(tail, finish)
    width = columns * isa.lanes

    def kernel(
        start: Int, stop: Int, x: Ptr, w: Ptr, bias: Ptr, scale: Ptr, y: Ptr,
        lines: Int, blocks: Int, pixels: Int, x_row: Int, x_pixel: Int, y_row: Int, y_pixel: Int,
        kernel_rows: Int, kernel_row: Int, taps: Int, kernel_tap: Int, passes: Int, steps: Int,
        panel: Int, last_channel: Int,
        zero_point: Int, low: Int, high: Int,
    ) -> None:  # fmt: skip
        chunk: int = start
        while chunk < stop:
            group = chunk // lines
            first_line = chunk - group * lines
            last_line = min(lines, first_line + stop - chunk)
            chunk = chunk + last_line - first_line
            for block in range(group * blocks, group * blocks + blocks):
                weights = w + block * panel
                block_bias = bias + block * width * 4
                block_scale = scale + block * width * 4
                out = y + first_line * y_row + min(block * width, last_channel)
                row = x + first_line * x_row
                for _ in range(first_line, last_line):
                    done = 0
                    while done < pixels:
                        pixel = min(done, pixels - rows)
                        done = done + rows
                        acc = product(
                            init(block_bias), row + pixel * x_pixel, weights,
                            kernel_rows, kernel_row, taps, kernel_tap, passes, x_pixel, steps,
                        )  # fmt: skip
                        store(acc, out + pixel * y_pixel, y_pixel, block_scale, zero_point, low, high)
                    out = out + y_row
                    row = row + x_row

    return kernel


def conv_f32(
    isa: Isa, rows: int, columns: int, tail: int | None, activation: str | None, residual: bool
) -> Callable[..., None]:
    """float32 convolution with a fused activation by up to two numbers, and a residual added before it."""
    from .functions import bind

    tile = isa.float_tile(rows, columns, tail)
    init, product, store = tile.init, _product(isa, tile.run), tile.store(bind(activation), residual)
    width = columns * isa.lanes

    def kernel(
        start: Int, stop: Int, x: Ptr, w: Ptr, bias: Ptr, other: Ptr, y: Ptr,
        lines: Int, blocks: Int, pixels: Int, x_row: Int, x_pixel: Int, y_row: Int, y_pixel: Int, other_row: Int,
        kernel_rows: Int, kernel_row: Int, taps: Int, kernel_tap: Int, passes: Int, steps: Int,
        panel: Int, last_channel: Int, first_number: Float, second_number: Float,
    ) -> None:  # fmt: skip
        chunk: int = start
        while chunk < stop:
            group = chunk // lines
            first_line = chunk - group * lines
            last_line = min(lines, first_line + stop - chunk)
            chunk = chunk + last_line - first_line
            for block in range(group * blocks, group * blocks + blocks):
                weights = w + block * panel
                block_bias = bias + block * width * 4
                first = min(block * width, last_channel) * 4
                out = y + first_line * y_row + first
                rest = other + first_line * other_row + first
                row = x + first_line * x_row
                for _ in range(first_line, last_line):
                    done = 0
                    while done < pixels:
                        pixel = min(done, pixels - rows)
                        done = done + rows
                        acc = product(
                            init(block_bias), row + pixel * x_pixel, weights,
                            kernel_rows, kernel_row, taps, kernel_tap, passes, x_pixel, steps,
                        )  # fmt: skip
                        store(acc, out + pixel * y_pixel, y_pixel, rest + pixel * y_pixel, first_number, second_number)
                    out = out + y_row
                    rest = rest + other_row
                    row = row + x_row

    return kernel
