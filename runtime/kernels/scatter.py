"""Elements and rows written, or reduced, into the places that indices give: ScatterElements and ScatterND."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from ..compiler.abi import Int, Ptr
from .gather import INDEX_BYTES, counted, located
from .order import INTEGER, key_of

if TYPE_CHECKING:
    from ..simd.isa import Isa
    from ..simd.traced import Traced

BYTES = {"i8": 1, "i16": 2, "i32": 4, "i64": 8, "f32": 4}
"""Elements that are written; those of four bytes or more are also reduced."""


def _reduced(isa: Isa, element: str, reduction: str) -> tuple[Any, str]:
    """combined(old, new) -> vector, of vectors of the elements that are named, too."""
    from ..simd.traced import where

    if reduction in ("add", "mul"):
        return isa.function(lambda old, new: old + new if reduction == "add" else old * new, 2), element
    smallest = reduction == "min"

    def better(old: Traced, new: Traced) -> Traced:
        kept, found = (key_of(x, element, smallest, nan_first=True) for x in (old, new))
        return where(found.compare(">", kept), new, old)

    return isa.function(better, 2), INTEGER.get(element, element)


def _writers(isa: Isa, element: str, reduction: str) -> tuple[Any, Any]:
    """one(source, to): an element. row(source, to, size): bytes of neighbouring elements."""
    size = BYTES[element]
    if reduction == "none":
        return isa.move(size), isa.move_row()
    combined, kind = _reduced(isa, element, reduction)
    wide = isa.target.vector_bytes
    load, load_one, store = isa.load(kind), isa.load(kind, 1), isa.store()

    @isa.inline
    def one(source, to):  # type: ignore[no-untyped-def]
        store(combined(load_one(to), load_one(source)), to)

    @isa.inline
    def row(source, to, length):  # type: ignore[no-untyped-def]
        at = 0
        while at + wide <= length:
            store(combined(load(to + at), load(source + at)), to + at)
            at += wide
        while at < length:
            one(source + at, to + at)
            at += size

    return one, row


def scatter_elements(isa: Isa, index: str, element: str, reduction: str) -> Callable[..., None]:
    """A chunk is `rows` rows of the updates and of their indices x, one after another: as of gather_elements, whose
    data are y, which are written. No two chunks write one element. reduction: "none", "add", "mul", "max" or "min"."""
    load, inside, offset = isa.scalar_load(index), counted(isa), located(isa)
    write, _ = _writers(isa, element, reduction)
    width, size = INDEX_BYTES[index], BYTES[element]

    def kernel(
        start: Int, stop: Int, x: Ptr, updates: Ptr, levels: Ptr, y: Ptr, trap: Ptr,
        rows: Int, depth: Int, count: Int, step: Int, pitch: Int, extent: Int,
    ) -> None:  # fmt: skip
        for row in range(start * rows, stop * rows):
            to, first = y + offset(row, levels, depth), row * count
            for at in range(count):
                picked = inside(load(x + (first + at) * width), extent, trap)
                write(updates + (first + at) * size, to + at * step + picked * pitch)

    return kernel


def scatter_rows(isa: Isa, index: str, element: str, single: bool, reduction: str) -> Callable[..., None]:
    """Writes `count` rows of updates, of `size` bytes each, into y: as of gather, from whose table they would be taken.
    single: rows are one element. The chunk is the whole."""
    load, load8, inside = isa.scalar_load(index), isa.scalar_load("i64"), counted(isa)
    write, write_row = _writers(isa, element, reduction)
    width = INDEX_BYTES[index]

    def kernel(
        start: Int, stop: Int, x: Ptr, updates: Ptr, axes: Ptr, y: Ptr, trap: Ptr, count: Int, depth: Int, size: Int
    ) -> None:
        for row in range(count):
            to = y
            for axis in range(depth):
                picked = inside(load(x + (row * depth + axis) * width), load8(axes + axis * 16), trap)
                to = to + picked * load8(axes + axis * 16 + 8)
            if single:
                write(updates + row * size, to)
            else:
                write_row(updates + row * size, to, size)

    return kernel
