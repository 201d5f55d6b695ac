"""Rows of a table by index."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from ..compiler.abi import Int, Ptr

if TYPE_CHECKING:
    from ..simd.isa import Isa


def embedding_lookup(isa: Isa, index: str) -> Callable[..., None]:
    """A chunk is one index, "i32" or "i64", of those that lie one after another at x. size: bytes of a row; last: the
    row for what has no other."""
    load, move_row = isa.scalar_load(index), isa.move_row()
    pitch = {"i32": 4, "i64": 8}[index]

    def kernel(start: Int, stop: Int, x: Ptr, table: Ptr, y: Ptr, last: Int, size: Int) -> None:
        for i in range(start, stop):
            row = load(x + i * pitch)
            if row < 0 or row > last:
                row = last
            move_row(table + row * size, y + i * size, size)

    return kernel
