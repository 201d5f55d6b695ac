"""Convolution by 3x3 kernels in 4/9 of the multiply-adds: Winograd's F(2x2, 3x3).

Outputs are computed in squares of 2x2, the last of which overlap. A chunk is a strip of `count` squares, whose
transformed inputs lie in scratch memory that the second cache holds: 16 matrices of squares x channels, each of which
is multiplied by its own weights.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..compiler.abi import Float, Int, Ptr, roll

if TYPE_CHECKING:
    from ..simd.isa import Isa


def _corner(isa: Isa) -> Any:
    """corner(square, across, height, width) -> line and pixel of its first output."""

    def corner(square, across, height, width):  # type: ignore[no-untyped-def]
        line = square // across
        return min(2 * line, height - 2), min(2 * (square - line * across), width - 2)

    return isa.inline(corner)


def winograd_f32(
    isa: Isa, rows: int, columns: int, activation: str | None, residual: bool, ahead: bool
) -> Callable[..., None]:
    """With a fused activation by up to two numbers, and a residual added before it.

    x, y: first element inside the border; *_row, *_pixel: pitches in bytes. v, m: scratch for transformed inputs, or a
    pixel's outputs, and for products. across: squares of a row of them; squares: in all, at least `count`, which is at
    least `rows`. height, width: outputs, at least 2. channels, outputs: at least a vector's lanes. panel: bytes of
    packed weights per block.
    """
    from .functions import bind

    tile, square = isa.float_tile(rows, columns, None, None, ahead), isa.winograd("f32")
    init, run, keep = tile.init, tile.run, tile.store(bind(None), False)
    spread, gather, corner = square.spread, square.gather(bind(activation), residual), _corner(isa)
    lanes = isa.lanes
    width_ = columns * lanes

    @roll
    def kernel(
        start: Int, stop: Int, x: Ptr, w: Ptr, zeros: Ptr, bias: Ptr, other: Ptr, y: Ptr, v: Ptr, m: Ptr,
        squares: Int, across: Int, count: Int, height: Int, width: Int, channels: Int, outputs: Int, blocks: Int,
        x_row: Int, x_pixel: Int, y_row: Int, y_pixel: Int, other_row: Int, panel: Int,
        first_number: Float, second_number: Float,
    ) -> None:  # fmt: skip
        v_step, m_row = count * channels * 4, max(outputs, width_) * 4
        m_step = count * m_row
        for chunk in range(start, stop):
            begin = min(chunk * count, squares - count)
            for i in range(count):
                top, left = corner(begin + i, across, height, width)
                at, to = x + top * x_row + left * x_pixel, v + i * channels * 4
                channel = 0
                while channel < channels:
                    first = min(channel, channels - lanes) * 4
                    spread(at + first, x_row, x_pixel, to + first, v_step)
                    channel = channel + lanes
            weights: int = w
            for matrix in range(16):
                for block in range(blocks):
                    column = m + matrix * m_step + min(block * width_, max(outputs - width_, 0)) * 4
                    line_ahead = 0
                    done = 0
                    while done < count:
                        i = min(done, count - rows)
                        done = done + rows
                        line_ahead = line_ahead + 4 * lanes if line_ahead < (columns - 1) * 4 * lanes else 0
                        acc, _ = run(
                            init(zeros), v + matrix * v_step + i * channels * 4, channels * 4, 0, weights, channels,
                            panel + line_ahead,
                        )  # fmt: skip
                        keep(acc, column + i * m_row, m_row, 0, column, 0, first_number, second_number)
                    weights = weights + panel
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


def winograd_int8(
    isa: Isa, rows: int, columns: int, tail: int | None, finish: str, ahead: bool
) -> Callable[..., None]:
    """int8, exactly: the weights' transform is taken four times as large, transformed inputs are int16, and a sum that
    wraps on its way is right again at its end. Where products are of int16 (x86 without VNNI).

    As winograd_f32; channels: at least two vectors' lanes. steps: of a product. last_channel: the first of the last
    block's outputs, of which there may be fewer than a block holds (tail).
    """
    tile, square = isa.int8_tile(rows, columns, None, ahead, widened=True), isa.winograd("i8")
    init, run, keep = tile.init, tile.run, tile.keep
    spread, gather, corner = square.spread, square.gather_int8(columns, tail, finish), _corner(isa)
    lanes, vector = 2 * isa.lanes, tile.step_bytes // columns
    width_ = columns * isa.lanes

    @roll
    def kernel(
        start: Int, stop: Int, x: Ptr, w: Ptr, zeros: Ptr, bias: Ptr, scale: Ptr, y: Ptr, v: Ptr, m: Ptr,
        squares: Int, across: Int, count: Int, height: Int, width: Int, channels: Int, blocks: Int, steps: Int,
        x_row: Int, x_pixel: Int, y_row: Int, y_pixel: Int, panel: Int, last_channel: Int,
        zero_point: Int, low: Int, high: Int,
    ) -> None:  # fmt: skip
        v_row, m_row = channels * 2, blocks * width_ * 4
        v_step, m_step = count * v_row, count * m_row
        for chunk in range(start, stop):
            begin = min(chunk * count, squares - count)
            for i in range(count):
                top, left = corner(begin + i, across, height, width)
                at, to = x + top * x_row + left * x_pixel, v + i * v_row
                channel = 0
                while channel < channels:
                    first = min(channel, channels - lanes)
                    spread(at + first, x_row, x_pixel, to + first * 2, v_step)
                    channel = channel + lanes
            weights: int = w
            for matrix in range(16):
                for block in range(blocks):
                    column = m + matrix * m_step + block * width_ * 4
                    line_ahead = 0
                    done = 0
                    while done < count:
                        i = min(done, count - rows)
                        done = done + rows
                        line_ahead = line_ahead + vector if line_ahead < (columns - 1) * vector else 0
                        acc, _ = run(
                            init(zeros), v + matrix * v_step + i * v_row, v_row, 0, weights, steps, panel + line_ahead
                        )
                        keep(acc, column + i * m_row, m_row)
                    weights = weights + panel
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
