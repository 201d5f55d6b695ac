"""One output pixel of a resampled map: weighted sums of a few input pixels, for a block of channels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llvmlite import ir
from numba.core import types
from numba.core.datamodel import models
from numba.core.extending import register_model

from ..targets.target import Target
from .vector import Vector, load_at, multiply_add, primitive, splat, store_at

I32, I64 = ir.IntType(32), ir.IntType(64)


class RowState(types.Type):
    """Distances of the input rows of a line of outputs, and their weights as vectors."""

    def __init__(self, taps: int, weight: Vector) -> None:
        self.taps, self.weight = taps, weight
        super().__init__(name=f"row_state({taps} {weight.name})")

    @property
    def llvm(self) -> ir.LiteralStructType:
        return ir.LiteralStructType([I64] * self.taps + [self.weight.llvm] * self.taps)


@register_model(RowState)
class _RowStateModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: RowState) -> None:
        super().__init__(manager, kind, kind.llvm)


class ResampleStep:
    """row(entry) -> state; step(state, x, y, entry): one pixel at y from x and what the two tables' entries say.

    One vector of `lanes` channels per entry of offsets (in channels). element: "f32", or "i8" (signed) or "u8" bytes.
    An entry is int32 words: the distance of the output (left to the caller), the distances in bytes of `taps` inputs,
    and their weights, which are float32, or of bytes integers that sum up to 2^(bits of the axis). With one tap there
    are no weights: elements are copied. bits: of both axes.
    """

    def __init__(
        self, target: Target, element: str, lanes: int, offsets: Sequence[int], taps: tuple[int, int], bits: int
    ) -> None:
        self.target, self.element, self.offsets, self.bits = target, element, offsets, bits
        self.lanes = lanes
        self.memory = Vector("f32" if element == "f32" else "i8", lanes)
        self.weight = Vector("f32" if element == "f32" else "i32", lanes)
        self.item = 4 if element == "f32" else 1
        self.row_taps, self.column_taps = taps
        self.kind = RowState(self.row_taps, self.weight)
        self.row = primitive(lambda entry: self.kind, self._row)
        self.step = primitive(lambda state, x, y, entry: types.none, self._step)

    @staticmethod
    def entry_bytes(taps: int) -> int:
        return 4 * (1 + taps + (taps if taps > 1 else 0))

    def _entry(self, b: ir.IRBuilder, entry: ir.Value, taps: int) -> tuple[list[ir.Value], list[ir.Value]]:
        """(distances, weights) of a table's entry."""
        scalar = self.weight.llvm.element
        places = [b.add(entry, I64(4 * (1 + i))) for i in range(2 * taps)]
        distances = [b.sext(load_at(b, place, I32), I64) for place in places[:taps]]
        if taps == 1:
            return distances, [ir.Constant(self.weight.llvm, ir.Undefined)]
        return distances, [splat(b, load_at(b, place, scalar), self.lanes) for place in places[taps:]]

    def _row(self, b: ir.IRBuilder, c: Any, k: Any, entry: ir.Value) -> ir.Value:
        distances, weights = self._entry(b, entry, self.row_taps)
        state = ir.Constant(self.kind.llvm, ir.Undefined)
        for i, value in enumerate([*distances, *weights]):
            state = b.insert_value(state, value, i)
        return state

    def _step(
        self, b: ir.IRBuilder, c: Any, k: Any, state: ir.Value, x: ir.Value, y: ir.Value, entry: ir.Value
    ) -> ir.Value:
        parts = [b.extract_value(state, i) for i in range(2 * self.row_taps)]
        rows, row_weights = parts[: self.row_taps], parts[self.row_taps :]
        columns, column_weights = self._entry(b, entry, self.column_taps)
        for offset in self.offsets:
            at = b.add(x, I64(offset * self.item))
            across = []
            for column in columns:
                values = [self._load(b, b.add(b.add(at, row), column)) for row in rows]
                across.append(self._weigh(b, values, row_weights))
            self._store(b, self._weigh(b, across, column_weights), b.add(y, I64(offset * self.item)))
        return c.get_dummy_value()

    def _load(self, b: ir.IRBuilder, address: ir.Value) -> ir.Value:
        value = load_at(b, address, self.memory.llvm)
        if self.bits == 0:
            return value
        return (b.sext if self.element == "i8" else b.zext)(value, self.weight.llvm)

    def _weigh(self, b: ir.IRBuilder, values: list[ir.Value], weights: list[ir.Value]) -> ir.Value:
        if len(values) == 1:
            return values[0]
        product = b.fmul if self.element == "f32" else b.mul
        total = product(values[0], weights[0])
        for value, weight in zip(values[1:], weights[1:], strict=True):
            if self.element == "f32":
                total = multiply_add(b, self.target, value, weight, total)
            else:
                total = b.add(total, b.mul(value, weight))
        return total

    def _store(self, b: ir.IRBuilder, value: ir.Value, address: ir.Value) -> None:
        if self.bits:
            half = splat(b, I32(1 << (self.bits - 1)), self.lanes)
            shifted = b.ashr(b.add(value, half), splat(b, I32(self.bits), self.lanes))
            value = b.trunc(shifted, self.memory.llvm)
        store_at(b, value, address)
