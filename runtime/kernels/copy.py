"""Copies between strided layouts, and the filling of borders."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..compiler.abi import Int, Ptr

if TYPE_CHECKING:
    from ..simd.isa import Isa

COPY_LEVELS, FILL_LEVELS = 6, 4


def copy(isa: Isa, itemsize: int, rows: bool, flip: bool) -> Callable[..., None]:
    """y = x over six nested levels, sizes n0..n5, pitches in bytes x0..x5 and y0..y5. A chunk is one of n0 * n1.

    rows: the innermost level is contiguous on both sides. flip: the top bit of each byte is inverted.
    """
    move, move_row = isa.move(itemsize, flip), isa.move_row(flip)

    def kernel(
        start: Int, stop: Int, x: Ptr, y: Ptr, n0: Int, n1: Int, n2: Int, n3: Int, n4: Int, n5: Int,
        x0: Int, x1: Int, x2: Int, x3: Int, x4: Int, x5: Int, y0: Int, y1: Int, y2: Int, y3: Int, y4: Int, y5: Int,
    ) -> None:  # fmt: skip
        for chunk in range(start, stop):
            i0 = chunk // n1
            i1 = chunk - i0 * n1
            xa = x + i0 * x0 + i1 * x1
            ya = y + i0 * y0 + i1 * y1
            for _ in range(n2):
                xb, yb = xa, ya
                for _ in range(n3):
                    xc, yc = xb, yb
                    for _ in range(n4):
                        if rows:
                            move_row(xc, yc, n5 * itemsize)
                        else:
                            xd, yd = xc, yc
                            for _ in range(n5):
                                move(xd, yd)
                                xd = xd + x5
                                yd = yd + y5
                        xc = xc + x4
                        yc = yc + y4
                    xb = xb + x3
                    yb = yb + y3
                xa = xa + x2
                ya = ya + y2

    return kernel


def fill_border(isa: Isa) -> Callable[..., None]:
    """Fills the bytes around and between the rows of each image with a value.

    before: bytes before the first row; inside: of a row; gap: between rows; after: behind the last row.
    """
    fill = isa.fill()

    def kernel(
        start: Int, stop: Int, y: Ptr, images: Int, image: Int, rows: Int, row: Int,
        before: Int, inside: Int, gap: Int, after: Int, value: Int,
    ) -> None:  # fmt: skip
        for i in range(images):
            at = y + i * image
            fill(at, before, value)
            at = at + before + inside
            for _ in range(rows - 1):
                fill(at, gap, value)
                at = at + row
            fill(at, after, value)

    return kernel


def fill_rows(isa: Isa) -> Callable[..., None]:
    """Fills rows of `size` bytes (at least 8, a multiple of the element) with an element repeated in the 8 bytes at
    word; sizes and pitches as of `copy`. A chunk is one of the outermost level."""
    load, store = isa.scalar_load("i64"), isa.scalar_store("i64")

    def kernel(
        start: Int, stop: Int, y: Ptr, word: Ptr, n1: Int, n2: Int, size: Int, y0: Int, y1: Int, y2: Int,
    ) -> None:  # fmt: skip
        value = load(word)
        for i0 in range(start, stop):
            for i1 in range(n1):
                for i2 in range(n2):
                    row = y + i0 * y0 + i1 * y1 + i2 * y2
                    at = 0
                    while at < size:
                        store(value, row + min(at, size - 8))
                        at = at + 8

    return kernel
