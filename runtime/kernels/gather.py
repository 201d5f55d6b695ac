"""Rows of a table by the coordinates that indices give, and single elements by their index along an axis."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..compiler.abi import Int, Ptr

if TYPE_CHECKING:
    from ..simd.isa import Isa


INDEX_BYTES = {"i32": 4, "i64": 8}


def counted(isa: Isa) -> Any:
    """counted(index, extent, trap) -> the index counted from the front; 0 where it is outside, which the trap tells."""
    store = isa.scalar_store("i64")

    @isa.inline
    def counted(index, extent, trap):  # type: ignore[no-untyped-def]
        at = index
        if at < 0:
            at = at + extent
        if at < 0 or at >= extent:
            store(index, trap + 8)
            store(extent, trap + 16)
            store(1, trap)
            at = 0
        return at

    return counted


def located(isa: Isa) -> Any:
    """located(row, levels, depth) -> its offset in bytes. Its coordinates are in `depth` levels, of which the innermost
    comes first, each a size and a pitch as int64."""
    load = isa.scalar_load("i64")

    @isa.inline
    def located(row, levels, depth):  # type: ignore[no-untyped-def]
        offset, rest = 0, row
        for level in range(depth):
            size = load(levels + level * 16)
            offset += rest % size * load(levels + level * 16 + 8)
            rest = rest // size
        return offset

    return located


def gather(isa: Isa, index: str, element: int) -> Callable[..., None]:
    """A chunk is one row of y, of `count` for each of the outer ones. Its `depth` indices, "i32" or "i64", lie one
    after another at x and count along the axes that `axes` describes, each by its size and its pitch as int64. element:
    bytes of a row that is one element, 0 of others; size: bytes of a row.

    What is outside an axis is taken from its beginning; then the trap is 1, the index and the axis' size.
    """
    load, load8, inside = isa.scalar_load(index), isa.scalar_load("i64"), counted(isa)
    move_row, move = isa.move_row(), isa.move(element or 1)
    pitch, single = INDEX_BYTES[index], element > 0

    def kernel(
        start: Int, stop: Int, x: Ptr, table: Ptr, axes: Ptr, y: Ptr, trap: Ptr,
        count: Int, depth: Int, x_outer: Int, table_outer: Int, size: Int,
    ) -> None:  # fmt: skip
        for row in range(start, stop):
            outer = row // count
            place = x + outer * x_outer + (row - outer * count) * depth * pitch
            source = table + outer * table_outer
            for axis in range(depth):
                at = inside(load(place + axis * pitch), load8(axes + axis * 16), trap)
                source = source + at * load8(axes + axis * 16 + 8)
            if single:
                move(source, y + row * size)
            else:
                move_row(source, y + row * size, size)

    return kernel


def gather_elements(isa: Isa, index: str, element: int) -> Callable[..., None]:
    """A chunk is one row of y and of its indices x, "i32" or "i64": `count` elements of so many bytes, for which the
    data lie, from where the row's levels lead, `step` bytes apart, and each as many times `pitch` bytes behind as its
    index says, which is one of `extent`. levels, depth: see `located`.

    What is outside is taken from the beginning; the trap is as gather's.
    """
    load, move, inside, offset = isa.scalar_load(index), isa.move(element), counted(isa), located(isa)
    width = INDEX_BYTES[index]

    def kernel(
        start: Int, stop: Int, x: Ptr, data: Ptr, levels: Ptr, y: Ptr, trap: Ptr,
        depth: Int, count: Int, step: Int, pitch: Int, extent: Int,
    ) -> None:  # fmt: skip
        for row in range(start, stop):
            source, place, to = data + offset(row, levels, depth), x + row * count * width, y + row * count * element
            for at in range(count):
                picked = inside(load(place + at * width), extent, trap)
                move(source + at * step + picked * pitch, to + at * element)

    return kernel
