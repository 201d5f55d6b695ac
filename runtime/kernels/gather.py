"""Rows of a table by the coordinates that indices give."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..compiler.abi import Int, Ptr

if TYPE_CHECKING:
    from ..simd.isa import Isa


def gather(isa: Isa, index: str, element: int) -> Callable[..., None]:
    """A chunk is one row of y, of `count` for each of the outer ones. Its `depth` indices, "i32" or "i64", lie one
    after another at x and count along the axes that `axes` describes, each by its size and its pitch as int64. element:
    bytes of a row that is one element, 0 of others; size: bytes of a row.

    What is outside an axis is taken from its beginning; then the trap is 1, the index and the axis' size.
    """
    load, load8, store8 = isa.scalar_load(index), isa.scalar_load("i64"), isa.scalar_store("i64")
    move_row, move = isa.move_row(), isa.move(element or 1)
    pitch, single = {"i32": 4, "i64": 8}[index], element > 0

    def kernel(
        start: Int, stop: Int, x: Ptr, table: Ptr, axes: Ptr, y: Ptr, trap: Ptr,
        count: Int, depth: Int, x_outer: Int, table_outer: Int, size: Int,
    ) -> None:  # fmt: skip
        for row in range(start, stop):
            outer = row // count
            place = x + outer * x_outer + (row - outer * count) * depth * pitch
            source = table + outer * table_outer
            for axis in range(depth):
                given, extent = load(place + axis * pitch), load8(axes + axis * 16)
                at = given
                if at < 0:
                    at = at + extent
                if at < 0 or at >= extent:
                    store8(given, trap + 8)
                    store8(extent, trap + 16)
                    store8(1, trap)
                    at = 0
                source = source + at * load8(axes + axis * 16 + 8)
            if single:
                move(source, y + row * size)
            else:
                move_row(source, y + row * size, size)

    return kernel
