"""Blocks of elements read along one axis and written along another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llvmlite import ir
from numba.core import types

from ..targets.target import Target
from .vector import ELEMENTS, load_at, primitive, shuffle, splat, store_at

I8, I64 = ir.IntType(8), ir.IntType(64)
INTEGERS = {1: "i8", 2: "i16", 4: "i32", 8: "i64"}
WIDEST = 16


class Reorder:
    """Moves of elements of `itemsize` bytes. flip: inverts their top bit (bytes only).

    Each of the primitives is move(x, x_pitch, y, y_pitch); pitches in bytes.
    """

    def __init__(self, target: Target, itemsize: int, flip: bool) -> None:
        self.itemsize, self.flip = itemsize, flip
        self.lanes = reorder_lanes(target, itemsize)

    def block(self, size: int) -> Any:
        """Transposes size x size elements; size: a power of two."""

        def emit(b: ir.IRBuilder, x: ir.Value, x_pitch: ir.Value, y: ir.Value, y_pitch: ir.Value) -> None:
            rows = self._load(b, x, x_pitch, size, size)
            self._store(b, transposed(b, rows), y, y_pitch)

        return self._primitive(emit)

    def interleave(self, count: int) -> Any:
        """`lanes` elements each of `count` rows, x_pitch apart, as neighbours; y_pitch is not read."""

        def emit(b: ir.IRBuilder, x: ir.Value, x_pitch: ir.Value, y: ir.Value, y_pitch: ir.Value) -> None:
            rows = self._load(b, x, x_pitch, count, self.lanes)
            every = _joined(b, rows)
            for part in range(count):
                places = range(part * self.lanes, (part + 1) * self.lanes)
                value = shuffle(b, every, every, [i % count * self.lanes + i // count for i in places])
                store_at(b, value, b.add(y, I64(part * self.lanes * self.itemsize)))

        return self._primitive(emit)

    def separate(self, count: int, kept: int) -> Any:
        """Of count * lanes neighbours every count-th, as rows y_pitch apart: those from the first `kept` elements."""

        def emit(b: ir.IRBuilder, x: ir.Value, x_pitch: ir.Value, y: ir.Value, y_pitch: ir.Value) -> None:
            pitch = I64(self.lanes * self.itemsize)
            every = _joined(b, self._load(b, x, pitch, count, self.lanes))
            rows = [shuffle(b, every, every, [first + i * count for i in range(self.lanes)]) for first in range(kept)]
            self._store(b, rows, y, y_pitch)

        return self._primitive(emit)

    def _load(self, b: ir.IRBuilder, x: ir.Value, pitch: ir.Value, count: int, lanes: int) -> list[ir.Value]:
        kind = ir.VectorType(ELEMENTS[INTEGERS[self.itemsize]], lanes)
        rows = []
        for i in range(count):
            x = b.add(x, pitch) if i else x
            row = load_at(b, x, kind)
            rows.append(b.xor(row, splat(b, I8(-128), lanes)) if self.flip else row)
        return rows

    @staticmethod
    def _store(b: ir.IRBuilder, rows: Sequence[ir.Value], y: ir.Value, pitch: ir.Value) -> None:
        for i, row in enumerate(rows):
            y = b.add(y, pitch) if i else y
            store_at(b, row, y)

    @staticmethod
    def _primitive(emit: Any) -> Any:
        def generate(b: ir.IRBuilder, c: Any, k: Any, *values: ir.Value) -> ir.Value:
            emit(b, *values)
            return c.get_dummy_value()

        return primitive(lambda x, x_pitch, y, y_pitch: types.none, generate)


def reorder_lanes(target: Target, itemsize: int) -> int:
    """Elements of the vectors that rows are interleaved and separated in."""
    return min(WIDEST, target.vector_bytes // itemsize)


def transposed(b: ir.IRBuilder, rows: list[ir.Value]) -> list[ir.Value]:
    """The columns of n vectors of n lanes, n a power of two, in log2(n) rounds of exchanges between two of them
    (Eklundh, "A fast computer method for matrix transposing", 1972)."""
    size = len(rows)
    distance = 1
    while distance < size:
        done = list(rows)
        for i in range(size):
            if i & distance:
                continue
            pair = rows[i], rows[i + distance]
            low = [lane if not lane & distance else size + lane - distance for lane in range(size)]
            done[i] = shuffle(b, *pair, low)
            done[i + distance] = shuffle(b, *pair, [place + distance for place in low])
        rows, distance = done, 2 * distance
    return rows


def _joined(b: ir.IRBuilder, rows: list[ir.Value]) -> ir.Value:
    """All lanes of all rows, one after another."""
    every = rows[0]
    for row in rows[1:]:
        count = every.type.count
        padded = shuffle(b, row, row, [min(i, row.type.count - 1) for i in range(count)])
        every = shuffle(b, every, padded, list(range(count + row.type.count)))
    return every
