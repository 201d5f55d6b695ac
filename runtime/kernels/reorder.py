"""Copies whose elements are read along one axis and written along another: transposes, and every n-th element."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..compiler.abi import Int, Ptr

if TYPE_CHECKING:
    from ..simd.isa import Isa

REORDER_LEVELS = 3
"""Levels around the two axes; a chunk is one of the outermost."""


def transpose(isa: Isa, itemsize: int, flip: bool, block: int) -> Callable[..., None]:
    """Matrices of rows x columns elements, in blocks, the last of which overlap those before.

    x holds rows: elements of one are neighbours, rows x_pitch bytes apart. y holds columns, y_pitch bytes apart.
    """
    move = isa.reorder(itemsize, flip).block(block)

    def kernel(
        start: Int, stop: Int, x: Ptr, y: Ptr, n1: Int, n2: Int, x0: Int, x1: Int, x2: Int, y0: Int, y1: Int, y2: Int,
        rows: Int, columns: Int, x_pitch: Int, y_pitch: Int,
    ) -> None:  # fmt: skip
        for i0 in range(start, stop):
            for i1 in range(n1):
                for i2 in range(n2):
                    xa = x + i0 * x0 + i1 * x1 + i2 * x2
                    ya = y + i0 * y0 + i1 * y1 + i2 * y2
                    row = 0
                    while row < rows:
                        r = min(row, rows - block)
                        column = 0
                        while column < columns:
                            c = min(column, columns - block)
                            move(xa + r * x_pitch + c * itemsize, x_pitch, ya + c * y_pitch + r * itemsize, y_pitch)
                            column = column + block
                        row = row + block

    return kernel


def interleave(isa: Isa, itemsize: int, flip: bool, count: int) -> Callable[..., None]:
    """`count` rows of x, x_pitch bytes apart, become neighbours in y. columns: elements of a row, at least a vector."""
    reorder = isa.reorder(itemsize, flip)
    move, lanes = reorder.interleave(count), reorder.lanes

    def kernel(
        start: Int, stop: Int, x: Ptr, y: Ptr, n1: Int, n2: Int, x0: Int, x1: Int, x2: Int, y0: Int, y1: Int, y2: Int,
        columns: Int, x_pitch: Int,
    ) -> None:  # fmt: skip
        for i0 in range(start, stop):
            for i1 in range(n1):
                for i2 in range(n2):
                    xa = x + i0 * x0 + i1 * x1 + i2 * x2
                    ya = y + i0 * y0 + i1 * y1 + i2 * y2
                    column = 0
                    while column < columns:
                        c = min(column, columns - lanes)
                        move(xa + c * itemsize, x_pitch, ya + c * count * itemsize, 0)
                        column = column + lanes

    return kernel


def separate(isa: Isa, itemsize: int, flip: bool, count: int, kept: int) -> Callable[..., None]:
    """Every count-th element of x becomes a row of y; the first `kept` such rows, y_pitch bytes apart.

    columns: elements of a row, at least a vector. Reads up to count - 1 elements more.
    """
    reorder = isa.reorder(itemsize, flip)
    move, lanes = reorder.separate(count, kept), reorder.lanes

    def kernel(
        start: Int, stop: Int, x: Ptr, y: Ptr, n1: Int, n2: Int, x0: Int, x1: Int, x2: Int, y0: Int, y1: Int, y2: Int,
        columns: Int, y_pitch: Int,
    ) -> None:  # fmt: skip
        for i0 in range(start, stop):
            for i1 in range(n1):
                for i2 in range(n2):
                    xa = x + i0 * x0 + i1 * x1 + i2 * x2
                    ya = y + i0 * y0 + i1 * y1 + i2 * y2
                    column = 0
                    while column < columns:
                        c = min(column, columns - lanes)
                        move(xa + c * count * itemsize, 0, ya + c * itemsize, y_pitch)
                        column = column + lanes

    return kernel
