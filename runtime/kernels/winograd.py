"""Convolution by 3x3 kernels in 4/9 of the multiply-adds: Winograd's F(2x2, 3x3).

Outputs are computed in squares of 2x2, the last of which overlap. A chunk is a strip of `count` squares, whose
transformed inputs lie in scratch memory that the second cache holds: 16 matrices of squares x channels, each of which
is multiplied by its own weights.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..compiler.abi import Float, Int, Ptr, roll

if TYPE_CHECKING:
    from ..simd.isa import Isa


def winograd_f32(
    isa: Isa, rows: int, columns: int, activation: str | None, residual: bool, ahead: bool
) -> Callable[..., None]:
    """With a fused activation by up to two numbers, and a residual added before it.

    x, y: first element inside the border; *_row, *_pixel: pitches in bytes. v, m: scratch for transformed inputs and
    products. across: squares of a row of them; squares: in all, at least `count`, which is at least `rows`. height,
    width: outputs, at least 2. channels, outputs: at least a vector's lanes. panel: bytes of packed weights per block.
    """
    from .functions import bind

    tile, square = isa.float_tile(rows, columns, None, None, ahead), isa.winograd()
    init, run, keep = tile.init, tile.run, tile.store(bind(None), False)
    spread, gather = square.spread, square.gather(bind(activation), residual)
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
                line = (begin + i) // across
                top, left = min(2 * line, height - 2), min(2 * (begin + i - line * across), width - 2)
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
                line = (begin + i) // across
                top, left = min(2 * line, height - 2), min(2 * (begin + i - line * across), width - 2)
                out, rest = y + top * y_row + left * y_pixel, other + top * other_row + left * y_pixel
                channel = 0
                while channel < outputs:
                    first = min(channel, outputs - lanes) * 4
                    gather(
                        m + i * m_row + first, m_step, bias + first, out + first, y_row, y_pixel, rest + first,
                        other_row, first_number, second_number,
                    )  # fmt: skip
                    channel = channel + lanes

    return kernel
