"""Depthwise convolution. A chunk is one row of outputs (or one band of rows) of `blocks` neighbouring blocks: all of
them, or one where there are few rows. Within `band` rows the channel block is the outermost loop, so that what a block
reads stays in the first cache and what they all read in the second.

The axis called "row" is the one that kernel rows are read along; for kernels taller than wide, callers swap the axes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..compiler.abi import Float, Int, Ptr, roll

if TYPE_CHECKING:
    from ..simd.isa import Isa


def depthwise_int8(
    isa: Isa,
    channels: int,
    kernel: int,
    stride: int,
    dilation: int,
    narrow: bool,
    repeat: int,
    dense: bool,
    joined: int,
    parts: int,
    finish: str,
) -> Callable[..., None]:
    """channels, kernel, stride, dilation and narrow: as
    DepthwiseLayout.of takes them. joined, parts: see DepthwiseTile.

    x, y: first element inside the border; pitches in bytes. x_pixel: between neighbouring outputs' inputs; x_tap:
    between taps. panel: bytes of packed weights per block. pixels: at least the tile's.
    """
    from ..simd.depthwise_layout import DepthwiseLayout

    layout = DepthwiseLayout.of(isa.target, channels, kernel, stride, dilation, narrow)
    tile = isa.depthwise(layout, repeat, dense, joined, parts)
    init, step, store = tile.init, tile.step, tile.store(finish)
    width, count, row_bytes = layout.width, tile.pixels, tile.row_bytes

    def kernel_(
        start: Int, stop: Int, x: Ptr, w: Ptr, bias: Ptr, scale: Ptr, y: Ptr,
        lines: Int, band: Int, blocks: Int, pixels: Int, x_row: Int, x_pixel: Int, x_tap: Int, y_row: Int, y_pixel: Int,
        kernel_rows: Int, kernel_row: Int, panel: Int, last_channel: Int, zero_point: Int, low: Int, high: Int,
    ) -> None:  # fmt: skip
        chunk: int = start
        while chunk < stop:
            group = chunk // lines
            first_line = chunk - group * lines
            last_line = min(lines, first_line + min(stop - chunk, band))
            chunk = chunk + last_line - first_line
            for block in range(group * blocks, group * blocks + blocks):
                first = min(block * width, last_channel)
                weights = w + block * panel
                block_bias = bias + block * width * 4
                block_scale = scale + block * width * 4
                out = y + first_line * y_row + first
                row = x + first_line * x_row + first
                for _ in range(first_line, last_line):
                    done = 0
                    while done < pixels:
                        pixel = min(done, pixels - count)
                        done = done + count
                        acc = init(block_bias)
                        a = row + pixel * x_pixel
                        b = weights
                        for _ in range(kernel_rows):
                            acc = step(acc, a, x_tap, b)
                            a = a + kernel_row
                            b = b + row_bytes
                        store(acc, out + pixel * y_pixel, y_pixel, block_scale, zero_point, low, high)
                    out = out + y_row
                    row = row + x_row

    return kernel_


def depthwise_scan_int8(
    isa: Isa,
    channels: int,
    kernel: int,
    stride: int,
    narrow: bool,
    repeat: int,
    dense: bool,
    joined: int,
    parts: int,
    finish: str,
) -> Callable[..., None]:
    """Three kernel rows, row stride 1: walks down a strip of outputs, and transposes each input row once for the three
    output rows that read it. A chunk is one band of `lines` output rows; neighbours are walked down at once.

    Parameters as of depthwise_int8; rows: of outputs in all; strips: tiles per row; bands: per strip. Packed weights
    hold the last kernel row first.
    """
    from ..simd.depthwise_layout import DepthwiseLayout

    layout = DepthwiseLayout.of(isa.target, channels, kernel, stride, 1, narrow)
    tile = isa.depthwise(layout, repeat, dense, joined, parts)
    init, scan, store = tile.init, tile.scan, tile.store(finish)
    width, count = layout.width, tile.pixels

    def kernel_(
        start: Int, stop: Int, x: Ptr, w: Ptr, bias: Ptr, scale: Ptr, y: Ptr,
        rows: Int, lines: Int, blocks: Int, strips: Int, bands: Int, pixels: Int, x_row: Int, x_pixel: Int,
        x_tap: Int, y_row: Int, y_pixel: Int, panel: Int, last_channel: Int, zero_point: Int, low: Int, high: Int,
    ) -> None:  # fmt: skip
        chunk: int = start
        while chunk < stop:
            group = chunk // bands
            band = chunk - group * bands
            last_band = min(bands, band + stop - chunk)
            chunk = chunk + last_band - band
            top, bottom = band * lines, min(last_band * lines, rows)
            for strip in range(group * blocks * strips, (group * blocks + blocks) * strips):
                block = strip // strips
                pixel = min((strip - block * strips) * count, pixels - count)
                first = min(block * width, last_channel)
                weights = w + block * panel
                block_bias = bias + block * width * 4
                block_scale = scale + block * width * 4
                a = x + top * x_row + pixel * x_pixel + first
                out = y + top * y_row + pixel * y_pixel + first
                blank = init(block_bias)
                _, _, upper = scan(blank, blank, blank, a, x_tap, weights)
                _, upper, lower = scan(blank, upper, blank, a + x_row, x_tap, weights)
                a = a + 2 * x_row
                for _ in range(top, bottom):
                    done, upper, lower = scan(upper, lower, init(block_bias), a, x_tap, weights)
                    store(done, out, y_pixel, block_scale, zero_point, low, high)
                    a = a + x_row
                    out = out + y_row

    return kernel_


def depthwise_f32(
    isa: Isa, lanes: int, kernel: int, stride: int, count: int, activation: str | None
) -> Callable[..., None]:
    """With a fused activation by up to two numbers. A block is one vector of channels. count: outputs of a tile.
    stride: in taps."""
    from .functions import bind

    tile = isa.window(lanes, kernel, stride, count)
    init, step, store = tile.init, tile.step, tile.store(bind(activation))

    @roll
    def kernel_(
        start: Int, stop: Int, x: Ptr, w: Ptr, bias: Ptr, y: Ptr,
        lines: Int, band: Int, blocks: Int, pixels: Int, x_row: Int, x_pixel: Int, x_tap: Int, y_row: Int, y_pixel: Int,
        kernel_rows: Int, kernel_row: Int, last_channel: Int, first_number: Float, second_number: Float,
    ) -> None:  # fmt: skip
        chunk: int = start
        while chunk < stop:
            group = chunk // lines
            first_line = chunk - group * lines
            last_line = min(lines, first_line + min(stop - chunk, band))
            chunk = chunk + last_line - first_line
            for block in range(group * blocks, group * blocks + blocks):
                first = min(block * lanes, last_channel) * 4
                weights = w + block * (kernel_rows * kernel * lanes * 4)
                block_bias = bias + block * lanes * 4
                out = y + first_line * y_row + first
                row = x + first_line * x_row + first
                for _ in range(first_line, last_line):
                    done = 0
                    while done < pixels:
                        pixel = min(done, pixels - count)
                        done = done + count
                        acc = init(block_bias)
                        a = row + pixel * x_pixel
                        b = weights
                        for _ in range(kernel_rows):
                            acc = step(acc, a, x_tap, b)
                            a = a + kernel_row
                            b = b + kernel * lanes * 4
                        store(acc, out + pixel * y_pixel, y_pixel, first_number, second_number)
                    out = out + y_row
                    row = row + x_row

    return kernel_
