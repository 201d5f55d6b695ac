"""Register tiles of float32, for convolutions and matrix products."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from llvmlite import ir
from numba.core import types

from ..targets.target import Target
from .tile import TileType, over_steps
from .tile_layout import TileLayout
from .traced import applied
from .vector import ELEMENTS, load_at, multiply_add, primitive, read_addresses, row_addresses, shuffle, splat, store_at

if TYPE_CHECKING:
    from .traced import VectorFunction

I64 = ir.IntType(64)


class FloatTile:
    """Primitives on tiles of float32 accumulators; see Int8Tile. (`keep` is of tiles without a tail.)

    tail: lanes used of the last column, None for all. That column's vectors are the shortest that hold them, which
    cost less where a long operation takes twice the time of one half as long.
    """

    def __init__(
        self, target: Target, rows: int, columns: int, tail: int | None, across: int | None = None,
        ahead: int = 0,
    ) -> None:  # fmt: skip
        layout = TileLayout.of(target, "f32")
        self.target, self.rows, self.columns, self.lanes = target, rows, columns, layout.lanes
        self.across = across or rows
        self.tail = layout.lanes if tail is None else tail
        last = layout.lanes
        while last // 2 >= max(self.tail, 4):
            last //= 2
        self.kind = TileType("f32", rows, columns, layout.lanes, last)
        self.step_bytes = layout.step_bytes(columns)
        self.init = primitive(lambda bias: self.kind, self._init)
        self.keep = primitive(lambda tile, m, pitch: types.none, self._keep)
        unroll = layout.at_once(target, rows)
        self.group_bytes = unroll * self.step_bytes
        self.run = over_steps(target, self.kind, self._step, unroll, 4, self.step_bytes, ahead)

    def store(self, function: VectorFunction, residual: bool) -> Any:
        """store(tile, y, pitch, turn, residual, other_turn, *numbers): applies a vector function by up to two float32
        numbers and writes each row, the first at y.

        residual: adds the float32 rows at address residual (same pitch) first.
        """

        def emit(
            b: ir.IRBuilder, c: Any, k: Any, tile: ir.Value, y: ir.Value, pitch: ir.Value, turn: ir.Value,
            other: ir.Value, other_turn: ir.Value, *numbers: ir.Value,
        ) -> ir.Value:  # fmt: skip
            acc = self.kind.unpack(b, tile)
            at = row_addresses(b, y, pitch, self.rows, self.across, turn)
            others = row_addresses(b, other, pitch, self.rows, self.across, other_turn) if residual else []
            for row in range(self.rows):
                for v in range(self.columns):
                    value = acc[row * self.columns + v]
                    lanes = value.type.count
                    count = self.tail if v == self.columns - 1 else lanes
                    if residual:
                        part = load_at(b, self._at(b, others[row], v), ir.VectorType(ELEMENTS["f32"], count))
                        if count < lanes:
                            part = shuffle(b, part, part, [min(i, count - 1) for i in range(lanes)])
                        value = b.fadd(value, part)
                    value = applied(b, self.target, function, value, numbers)
                    if count < lanes:
                        value = shuffle(b, value, value, list(range(count)))
                    store_at(b, value, self._at(b, at[row], v))
            return c.get_dummy_value()

        return primitive(lambda tile, y, pitch, turn, residual, other_turn, first, second: types.none, emit)

    def _keep(self, b: ir.IRBuilder, c: Any, k: Any, tile: ir.Value, m: ir.Value, pitch: ir.Value) -> ir.Value:
        acc = self.kind.unpack(b, tile)
        for row, address in enumerate(row_addresses(b, m, pitch, self.rows, self.rows, pitch)):
            for v in range(self.columns):
                store_at(b, acc[row * self.columns + v], self._at(b, address, v))
        return c.get_dummy_value()

    def _init(self, b: ir.IRBuilder, c: Any, k: Any, bias: ir.Value) -> ir.Value:
        return self.kind.pack(b, self._columns(b, bias) * self.rows)

    def _step(
        self, b: ir.IRBuilder, tile: ir.Value, a: ir.Value, pitch: ir.Value, turn: ir.Value, w: ir.Value, count: int
    ) -> ir.Value:
        acc = self.kind.unpack(b, tile)
        rows: Iterable[ir.Value] = self._rows(b, a, pitch, turn, count)
        if count > 1:
            rows = list(rows)
        for step in range(count):
            weights = self._columns(b, b.add(w, I64(step * self.step_bytes)) if step else w)
            for row, value in enumerate(rows):
                lefts = {
                    lanes: splat(b, value, lanes) if count == 1 else shuffle(b, value, value, [step] * lanes)
                    for lanes in {vector.type.count for vector in weights}
                }
                for v, vector in enumerate(weights):
                    i = row * self.columns + v
                    acc[i] = multiply_add(b, self.target, lefts[vector.type.count], vector, acc[i])
        return self.kind.pack(b, acc)

    def _rows(
        self, b: ir.IRBuilder, a: ir.Value, pitch: ir.Value, turn: ir.Value, count: int
    ) -> Iterator[ir.Value]:
        """`count` elements of each row: a number, or a vector whose lanes Arm's products take as they are."""
        kind = ELEMENTS["f32"] if count == 1 else ir.VectorType(ELEMENTS["f32"], count)
        for address in read_addresses(b, self.target, a, pitch, self.rows, self.across, turn):
            yield load_at(b, address, kind)

    def _columns(self, b: ir.IRBuilder, address: ir.Value) -> list[ir.Value]:
        """One vector per column from packed memory, where all columns are as long as the first."""
        kinds = [self.kind.vector.llvm] * (self.columns - 1) + [self.kind.last.llvm]
        return [load_at(b, self._at(b, address, v), kind) for v, kind in enumerate(kinds)]

    def _at(self, b: ir.IRBuilder, address: ir.Value, v: int) -> ir.Value:
        return b.add(address, I64(4 * self.lanes * v)) if v else address
