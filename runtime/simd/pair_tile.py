"""Register tiles of int8 for Arm's 8-bit matrix product instruction (i8mm).

smmla adds to four int32 the products of two rows and two channels, eight bytes each. An accumulator is therefore two
rows of two channels. An odd last row is taken twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from llvmlite import ir

from .tile import Int8Tile
from .vector import call_llvm, load_at, row_addresses, shuffle

I8, I64 = ir.IntType(8), ir.IntType(64)
BYTES, EIGHT = ir.VectorType(I8, 16), ir.VectorType(I64, 1)


class PairTile(Int8Tile):
    """An Int8Tile that holds, by row pairs and then columns, channels 0 and 1 of both rows, then 2 and 3."""

    def _held_rows(self) -> int:
        return self.rows + self.rows % 2

    def _init(self, b: ir.IRBuilder, c: Any, k: Any, bias: ir.Value) -> ir.Value:
        vectors = [shuffle(b, v, v, [i, i + 1, i, i + 1]) for v in self._bias(b, bias) for i in (0, 2)]
        return self.kind.pack(b, vectors * (self.kind.rows // 2))

    def _step(
        self, b: ir.IRBuilder, tile: ir.Value, a: ir.Value, pitch: ir.Value, turn: ir.Value, w: ir.Value, count: int
    ) -> ir.Value:
        acc, width = self.kind.unpack(b, tile), 2 * self.columns
        pairs = [left for (left,) in self._rows(b, a, pitch, turn, count)]
        for i in range(width):
            weights = load_at(b, b.add(w, I64(16 * i)), BYTES)
            for pair, left in enumerate(pairs):
                at = pair * width + i
                acc[at] = call_llvm(b, "llvm.aarch64.neon.smmla.v4i32.v16i8", acc[at].type, acc[at], left, weights)
        return self.kind.pack(b, acc)

    def _rows(
        self, b: ir.IRBuilder, a: ir.Value, pitch: ir.Value, turn: ir.Value, count: int
    ) -> Iterator[list[ir.Value]]:
        """Eight bytes of both rows of each pair."""
        at = row_addresses(b, a, pitch, self.rows, self.across, turn)
        for row in range(0, self.rows, 2):
            first = second = load_at(b, at[row], EIGHT)
            if row + 1 < self.rows:
                second = load_at(b, at[row + 1], EIGHT)
            yield [b.bitcast(shuffle(b, first, second, [0, 1]), BYTES)]

    def _result(self, b: ir.IRBuilder, tile: ir.Value) -> list[ir.Value]:
        acc, rows = self.kind.unpack(b, tile), []
        for row in range(self.rows):
            first = row // 2 * 2 * self.columns
            lanes = [2, 3, 6, 7] if row % 2 else [0, 1, 4, 5]
            rows += [shuffle(b, acc[first + 2 * v], acc[first + 2 * v + 1], lanes) for v in range(self.columns)]
        return rows
