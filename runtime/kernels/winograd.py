"""Convolution by 3x3 kernels in 4/9 of the multiply-adds: Winograd's F(2x2, 3x3).

Outputs are computed in squares of 2x2, the last of which overlap. A chunk is a strip of `count` squares, whose
transformed inputs lie in scratch memory that the second cache holds: 16 matrices of squares x channels, each of which
is multiplied by its own weights.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..compiler.abi import Float, Int, Ptr, roll
from ..simd.tile_layout import LINE

if TYPE_CHECKING:
    from ..simd.isa import Isa


def _corner(isa: Isa) -> Any:
    """corner(square, across, height, width) -> line and pixel of its first output."""

    def corner(square, across, height, width):  # type: ignore[no-untyped-def]
        line = square // across
        return min(2 * line, height - 2), min(2 * (square - line * across), width - 2)

    return isa.inline(corner)


def _transform(isa: Isa, spread: Any, lanes: int, read: int, made: int) -> Any:
    """transform(x, v, begin, count, ...): the inputs of `count` squares as 16 matrices at v. read, made: bytes of an
    element of either."""
    corner = _corner(isa)

    def transform(x, v, begin, count, across, height, width, channels, x_row, x_pixel):  # type: ignore[no-untyped-def]
        step = count * channels * made
        for i in range(count):
            top, left = corner(begin + i, across, height, width)
            at, to = x + top * x_row + left * x_pixel, v + i * channels * made
            channel = 0
            while channel < channels:
                first = min(channel, channels - lanes)
                spread(at + first * read, x_row, x_pixel, to + first * made, step)
                channel = channel + lanes

    return isa.inline(transform)


def _multiply(isa: Isa, tile: Any, rows: int, columns: int, item: int, ahead: int) -> Any:
    """multiply(v, m, w, zeros, count, ...): each matrix of `count` rows of v by its own weights, at m. item: bytes of
    an element of v. last: of a row of products, where the last block begins, which may overlap the one before."""
    init, run, keep, span, pace = tile.init, tile.run, tile.keep, tile.group_bytes, LINE * ahead
    width = columns * isa.lanes

    def multiply(v, m, w, zeros, count, channels, steps, blocks, last, m_row, panel):  # type: ignore[no-untyped-def]
        row = channels * item
        for matrix in range(16):
            for block in range(blocks):
                column = m + matrix * count * m_row + min(block * width, last) * 4
                ahead_line = 0
                done = 0
                while done < count:
                    i = min(done, count - rows)
                    done = done + rows
                    ahead_line = ahead_line + pace if ahead_line + pace < span else 0
                    acc, _ = run(init(zeros), v + (matrix * count + i) * row, row, 0, w, steps, panel + ahead_line)
                    keep(acc, column + i * m_row, m_row)
                w = w + panel

    return isa.inline(multiply)


def winograd_f32(
    isa: Isa, rows: int, columns: int, activation: str | None, residual: bool, ahead: int
) -> Callable[..., None]:
    """With a fused activation by up to two numbers, and a residual added before it.

    x, y: first element inside the border; *_row, *_pixel: pitches in bytes. v, m: scratch for transformed inputs, or a
    pixel's outputs, and for products. across: squares of a row of them; squares: in all, at least `count`, which is at
    least `rows`. height, width: outputs, at least 2. channels, outputs: at least a vector's lanes. panel: bytes of
    packed weights per block.
    """
    from .functions import bind

    square, lanes, width_ = isa.winograd("f32"), isa.lanes, columns * isa.lanes
    multiply = _multiply(isa, isa.float_tile(rows, columns, None, None, ahead), rows, columns, 4, ahead)
    transform, corner = _transform(isa, square.spread, lanes, 4, 4), _corner(isa)
    gather = square.gather(bind(activation), residual)

    @roll
    def kernel(
        start: Int, stop: Int, x: Ptr, w: Ptr, zeros: Ptr, bias: Ptr, other: Ptr, y: Ptr, v: Ptr, m: Ptr,
        squares: Int, across: Int, count: Int, height: Int, width: Int, channels: Int, outputs: Int, blocks: Int,
        x_row: Int, x_pixel: Int, y_row: Int, y_pixel: Int, other_row: Int, panel: Int,
        first_number: Float, second_number: Float,
    ) -> None:  # fmt: skip
        m_row = max(outputs, width_) * 4
        m_step = count * m_row
        for chunk in range(start, stop):
            begin = min(chunk * count, squares - count)
            transform(x, v, begin, count, across, height, width, channels, x_row, x_pixel)
            multiply(v, m, w, zeros, count, channels, channels, blocks, max(outputs - width_, 0), m_row, panel)
            for i in range(count):
                top, left = corner(begin + i, across, height, width)
                upper, rest = y + top * y_row + left * y_pixel, other + top * other_row + left * y_pixel
                lower = upper + y_row
                right_upper, right_lower = upper + y_pixel, lower + y_pixel
                # What another square gives too is left to it: its last bits may differ, and threads take turns.
                if top & 1:
                    upper, right_upper = v, v
                if left & 1:
                    upper, lower = v, v
                channel = 0
                while channel < outputs:
                    first = min(channel, outputs - lanes) * 4
                    gather(
                        m + i * m_row + first, m_step, bias + first, upper + first, right_upper + first, lower + first,
                        right_lower + first, y_pixel, rest + first, other_row, first_number, second_number,
                    )  # fmt: skip
                    channel = channel + lanes

    return kernel


def winograd_int8(isa: Isa, rows: int, columns: int, tail: int | None, finish: str, ahead: int) -> Callable[..., None]:
    """int8, exactly: the weights' transform is taken four times as large, transformed inputs are int16, and a sum that
    wraps on its way is right again at its end. Where products are of int16 (x86 without VNNI).

    As winograd_f32; channels: at least two vectors' lanes. steps: of a product. last_channel: the first of the last
    block's outputs, of which there may be fewer than a block holds (tail).
    """
    square, width_ = isa.winograd("i8"), columns * isa.lanes
    multiply = _multiply(isa, isa.int8_tile(rows, columns, None, ahead, widened=True), rows, columns, 2, ahead)
    transform, corner = _transform(isa, square.spread, 2 * isa.lanes, 1, 2), _corner(isa)
    gather = square.gather_int8(columns, tail, finish)

    @roll
    def kernel(
        start: Int, stop: Int, x: Ptr, w: Ptr, zeros: Ptr, bias: Ptr, scale: Ptr, y: Ptr, v: Ptr, m: Ptr,
        squares: Int, across: Int, count: Int, height: Int, width: Int, channels: Int, blocks: Int, steps: Int,
        x_row: Int, x_pixel: Int, y_row: Int, y_pixel: Int, panel: Int, last_channel: Int,
        zero_point: Int, low: Int, high: Int,
    ) -> None:  # fmt: skip
        m_row = blocks * width_ * 4
        m_step = count * m_row
        for chunk in range(start, stop):
            begin = min(chunk * count, squares - count)
            transform(x, v, begin, count, across, height, width, channels, x_row, x_pixel)
            multiply(v, m, w, zeros, count, channels, steps, blocks, m_row // 4, m_row, panel)
            for i in range(count):
                top, left = corner(begin + i, across, height, width)
                out = y + top * y_row + left * y_pixel
                for block in range(blocks):
                    first = block * width_ * 4
                    gather(
                        m + i * m_row + first, m_step, bias + first, out + min(block * width_, last_channel), y_row,
                        y_pixel, scale + first, zero_point, low, high,
                    )  # fmt: skip

    return kernel
