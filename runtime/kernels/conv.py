"""Convolution and matrix product as one direct kernel: no im2col, no edge cases.

The input has its border in memory already. The reduction runs over KH rows of taps; a row is `taps` runs of
contiguous elements (one run of KW * C where dilation and groups allow, else one run of C / group per tap), which are
read `passes` times where weights beyond 8 bits are the sum of two.
Loop order: block of output channels outermost, so that its weight panel stays in L1; then output rows; then tiles of
`rows` pixels, the last of which overlaps the one before, so that no remainder is ever handled. Where rows are short, a
tile is of `tall` whole rows. A chunk is one row of pixels, or as many as a tile has, of `blocks` neighbouring blocks,
which are all of them where threads share the rows, or one where they share the blocks.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..compiler.abi import Float, Int, Ptr
from ..simd.tile_layout import LINE

if TYPE_CHECKING:
    from ..simd.isa import Isa

REAL = "real"
"""The finish of integer products that gives real numbers."""


def _product(isa: Isa, run: Any) -> Any:
    """product(tile, x, weights, ...) -> tile, to which all taps of its pixels were added."""

    def product(acc, x, weights, kernel_rows, kernel_row, taps, kernel_tap, passes, pitch, turn, steps, ahead):  # type: ignore[no-untyped-def]
        for _ in range(kernel_rows):
            tap = x
            for _ in range(taps):
                for _ in range(passes):
                    acc, weights = run(acc, tap, pitch, turn, weights, steps, ahead)
                tap = tap + kernel_tap
            x = x + kernel_row
        return acc

    return isa.inline(product)


def _again(isa: Isa, one: Any, step_bytes: int) -> Any:
    """again(tile, x, weights, places, count, pitch, turn) -> tile, to which steps at the int32 offsets at `places` from
    its pixels were added."""
    offset = isa.scalar_load("i32")

    def again(acc, x, weights, places, count, pitch, turn):  # type: ignore[no-untyped-def]
        for i in range(count):
            acc = one(acc, x + offset(places + 4 * i), pitch, turn, weights + i * step_bytes)
        return acc

    return isa.inline(again)


def _writer(isa: Isa, tile: Any, tail: int | None, finish: str, activation: str | None) -> Any:
    """write(tile, y, pitch, turn, ...): the epilogue, by those of the numbers that it takes."""
    from .functions import bind

    if finish == REAL:
        real = tile.store_real(tail, bind(activation), True)

        def write(acc, y, pitch, turn, scale, offset, sums, given, zero_point, low, high, first, second):  # type: ignore[no-untyped-def]
            real(acc, y, pitch, turn, scale, offset, sums, given, given + 4, first, second)
    else:
        store = tile.store(tail, finish)

        def write(acc, y, pitch, turn, scale, offset, sums, given, zero_point, low, high, first, second):  # type: ignore[no-untyped-def]
            store(acc, y, pitch, turn, scale, zero_point, low, high)

    return isa.inline(write)


def conv_int8(
    isa: Isa, rows: int, columns: int, tail: int | None, finish: str, tall: int = 1, ahead: int = 0,
    widened: bool = False, element: str = "i8", activation: str | None = None, repeats: bool = False,
) -> Callable[..., None]:  # fmt: skip
    """int8 convolution with the requantizing epilogue, or that to float32 where finish is "real".

    x, y: first element inside the border. *_row, *_pixel: pitches in bytes. kernel_row, kernel_tap: distances in bytes
    between rows of taps and between runs. panel: bytes of packed weights per block. height: rows of outputs;
    lines: such rows, or groups of `tall`.
    widened: products read int16 in scratch memory at `wide`, into which the input of `band` lines at a time is widened,
    the pitches of the input being twice as large as in x. reach: bytes that a line's outputs read in x.
    element: see TileLayout. ahead: see `over_steps`; of each group of steps, a tile prefetches what the one before did
    not. repeats: whether steps are taken once more, with other weights. again: how many of each block, whose weights
    lie behind the block's; places: of what they read, offsets in bytes.
    zero_point, low, high: of bytes. offset, sums: of each channel, in the order of scale, float32 that is added and the
    int32 sum of its weights; given: a step of the input, float32, and its zero, int32; an activation by up to two
    numbers: of float32.
    """
    tile = isa.int8_tile(rows, columns, rows // tall, ahead, widened, element)
    widen = isa.widen()
    init, product, write = tile.init, _product(isa, tile.run), _writer(isa, tile, tail, finish, activation)
    width, span, pace, across = columns * isa.lanes, tile.group_bytes, LINE * ahead, rows // tall
    y_size = 4 if finish == REAL else 1
    step_bytes, add_again = tile.step_bytes, _again(isa, tile.one, tile.step_bytes)

    def kernel(
        start: Int, stop: Int, x: Ptr, w: Ptr, bias: Ptr, scale: Ptr, offset: Ptr, sums: Ptr, given: Ptr, y: Ptr,
        wide: Ptr, places: Ptr, again: Int,
        lines: Int, band: Int, reach: Int, height: Int, blocks: Int, pixels: Int,
        x_row: Int, x_pixel: Int, y_row: Int, y_pixel: Int,
        kernel_rows: Int, kernel_row: Int, taps: Int, kernel_tap: Int, passes: Int, steps: Int,
        panel: Int, last_channel: Int,
        zero_point: Int, low: Int, high: Int, first_number: Float, second_number: Float,
    ) -> None:  # fmt: skip
        chunk: int = start
        while chunk < stop:
            group = chunk // lines
            first_line = chunk - group * lines
            last_line = min(lines, first_line + min(stop - chunk, band))
            chunk = chunk + last_line - first_line
            origin: int = 0
            source: int = x
            if widened:
                origin, bottom = min(first_line * tall, height - tall), min((last_line - 1) * tall, height - tall)
                widen(x + (origin * x_row >> 1), wide, ((bottom + tall - 1 - origin) * x_row >> 1) + reach)
                source = wide
            for block in range(group * blocks, group * blocks + blocks):
                weights = w + block * panel
                parameters = block * width * 4
                first = y + min(block * width, last_channel) * y_size
                ahead_line = 0
                for line in range(first_line, last_line):
                    top = min(line * tall, height - tall)
                    row, out = source + (top - origin) * x_row, first + top * y_row
                    done = 0
                    while done < pixels:
                        pixel = min(done, pixels - across)
                        done = done + across
                        ahead_line = ahead_line + pace if ahead_line + pace < span else 0
                        acc = product(
                            init(bias + parameters), row + pixel * x_pixel, weights,
                            kernel_rows, kernel_row, taps, kernel_tap, passes, x_pixel,
                            x_row - (across - 1) * x_pixel, steps, panel + ahead_line,
                        )  # fmt: skip
                        if repeats:
                            acc = add_again(
                                acc, row + pixel * x_pixel, weights + panel - again * step_bytes,
                                places + block * again * 4, again, x_pixel, x_row - (across - 1) * x_pixel,
                            )  # fmt: skip
                        write(
                            acc, out + pixel * y_pixel, y_pixel, y_row - (across - 1) * y_pixel, scale + parameters,
                            offset + parameters, sums + parameters, given, zero_point, low, high,
                            first_number, second_number,
                        )  # fmt: skip

    return kernel


def conv_f32(
    isa: Isa, rows: int, columns: int, tail: int | None, activation: str | None, residual: bool,
    tall: int = 1, ahead: int = 0,
) -> Callable[..., None]:
    """float32 convolution with a fused activation by up to two numbers, and a residual added before it."""
    from .functions import bind

    tile = isa.float_tile(rows, columns, tail, rows // tall, ahead)
    init, product, store = tile.init, _product(isa, tile.run), tile.store(bind(activation), residual)
    width, span, pace, across = columns * isa.lanes, tile.group_bytes, LINE * ahead, rows // tall

    def kernel(
        start: Int, stop: Int, x: Ptr, w: Ptr, bias: Ptr, other: Ptr, y: Ptr,
        lines: Int, height: Int, blocks: Int, pixels: Int,
        x_row: Int, x_pixel: Int, y_row: Int, y_pixel: Int, other_row: Int,
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
                ahead_line = 0
                for line in range(first_line, last_line):
                    top = min(line * tall, height - tall)
                    row, out, rest = x + top * x_row, y + top * y_row + first, other + top * other_row + first
                    done = 0
                    while done < pixels:
                        pixel = min(done, pixels - across)
                        done = done + across
                        ahead_line = ahead_line + pace if ahead_line + pace < span else 0
                        acc = product(
                            init(block_bias), row + pixel * x_pixel, weights,
                            kernel_rows, kernel_row, taps, kernel_tap, passes, x_pixel,
                            x_row - (across - 1) * x_pixel, steps, panel + ahead_line,
                        )  # fmt: skip
                        y_turn, other_turn = y_row - (across - 1) * y_pixel, other_row - (across - 1) * y_pixel
                        store(
                            acc, out + pixel * y_pixel, y_pixel, y_turn, rest + pixel * y_pixel, other_turn,
                            first_number, second_number,
                        )  # fmt: skip

    return kernel
