"""Accumulators of sums, products and extremes over windows: vectors of channels that stay in registers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from llvmlite import ir
from numba.core import types
from numba.core.datamodel import models
from numba.core.extending import register_model

from ..targets.target import Target
from .reduction import combine, combine_all, identity, prepare
from .traced import Traced, applied, where
from .vector import ELEMENTS, Vector, load_at, primitive, splat, store_at

if TYPE_CHECKING:
    from .traced import VectorFunction

I32, I64, F32 = ir.IntType(32), ir.IntType(64), ir.FloatType()
SHORT_SUM = 256
"""Bytes whose sum fits in 16 bits."""


class Accumulators(types.Type):
    """`count` vectors."""

    def __init__(self, element: str, count: int, lanes: int) -> None:
        self.vector, self.count = Vector(element, lanes), count
        super().__init__(name=f"accumulators({count} {self.vector.name})")

    @property
    def llvm(self) -> ir.ArrayType:
        return ir.ArrayType(self.vector.llvm, self.count)


@register_model(Accumulators)
class _AccumulatorsModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Accumulators) -> None:
        super().__init__(manager, kind, kind.llvm)


class PoolTile:
    """Primitives on one vector of `lanes` channels per entry of offsets (in channels).

    element, operation: see reduction.py. Sums of bytes are kept in 16 bits, at most SHORT_SUM of them, and then
    flushed.

    init() -> tile; zero() -> total; flush(total, tile) -> total, wide enough for any window.
    step(tile, x) -> tile: one element; steps(count)(tile, x, pitch) -> tile: several; window(...): see there.
    store_...(total, y, ...): see each.
    """

    def __init__(self, target: Target, element: str, operation: str, lanes: int, offsets: Sequence[int]) -> None:
        self.target, self.element, self.operation = target, element, operation
        self.lanes, self.offsets = lanes, offsets
        self.is_float = element == "f32"
        self.item = 4 if self.is_float else 1
        memory = "f32" if self.is_float else "i8"
        short = "i16" if operation == "sum" and not self.is_float else memory
        self.memory = Vector(memory, lanes)
        self.kind = Accumulators(short, len(offsets), lanes)
        self.total = Accumulators("f32" if self.is_float else "i32", len(offsets), lanes)
        self.init = primitive(lambda: self.kind, lambda b, c, k: self._fill(b, self.kind, identity(operation, element)))
        self.zero = primitive(lambda: self.total, lambda b, c, k: self._fill(b, self.total, 0))
        self.flush = primitive(lambda total, tile: self.total, self._flush)
        self.step = primitive(lambda tile, x: self.kind, lambda b, c, k, tile, x: self._steps(b, tile, x, None, 1))

    def steps(self, count: int) -> Any:
        def emit(b: ir.IRBuilder, c: Any, k: Any, tile: ir.Value, x: ir.Value, pitch: ir.Value) -> ir.Value:
            return self._steps(b, tile, x, pitch, count)

        return primitive(lambda tile, x, pitch: self.kind, emit)

    def window(self, rows: int, count: int) -> Any:
        """window(x, row_pitch, pitch) -> tile: rows x count elements and nothing before."""

        def emit(b: ir.IRBuilder, c: Any, k: Any, x: ir.Value, row_pitch: ir.Value, pitch: ir.Value) -> ir.Value:
            starts = _spaced(b, x, row_pitch, rows)
            addresses = [address for start in starts for address in _spaced(b, start, pitch, count)]
            return self._pack(b, self.kind, self._reduced(b, addresses))

        return primitive(lambda x, row_pitch, pitch: self.kind, emit)

    def store_float(self, function: VectorFunction, mean: bool) -> Any:
        """store(total, y, count, ..., *numbers): a vector function of the total, by up to two float32 numbers; divided
        by count first where it is a mean."""

        def emit(
            b: ir.IRBuilder, c: Any, k: Any, total: ir.Value, y: ir.Value, count: ir.Value, *rest: ir.Value
        ) -> ir.Value:
            inverse = b.fdiv(F32(1.0), self._to_float(b, count)) if mean else None
            for value, address in self._parts(b, total, y):
                if inverse is not None:
                    value = b.fmul(value, splat(b, inverse, self.lanes))
                store_at(b, applied(b, self.target, function, value, rest[-2:]), address)
            return c.get_dummy_value()

        return self._store(emit)

    def store_bytes(self) -> Any:
        """store(total, y, count, bias, ratio, offset, zero_point, low, high): the total, clamped to low..high."""

        def finish(total: Traced, *_: Traced) -> Traced:
            return total

        return self._store_integers(finish)

    def store_average(self) -> Any:
        """store(...): (total + bias) / count rounded half away from zero, + zero_point, clamped.

        With the reciprocal in float32 this is exact for count < 2^14: half a unit added to the dividend keeps the
        quotient at least 1 / (2 * count) away from the integers, and |quotient| < 129. For count < 2^13 it may be 257.
        """

        def finish(
            total: Traced, count: Traced, bias: Traced, ratio: Traced, offset: Traced, zero_point: Traced
        ) -> Traced:
            total = total + bias
            negative = total.compare("<", 0)
            magnitude = where(negative, -total, total) + (count >> 1)
            inverse = count.to_float().like(1.0) / count.to_float()
            rounded = ((magnitude.to_float() + 0.5) * inverse).to_int()
            return where(negative, -rounded, rounded) + zero_point

        return self._store_integers(finish)

    def store_scaled(self, offset: bool) -> Any:
        """store(...): float32(total + bias) * (ratio * (1 / count)), + offset where there is one, rounded half to even,
        + zero_point, clamped. The result must fit in int32."""

        def finish(
            total: Traced, count: Traced, bias: Traced, ratio: Traced, given: Traced, zero_point: Traced
        ) -> Traced:
            scaled = (total + bias).to_float() * (ratio * (ratio.like(1.0) / count.to_float()))
            if offset:
                scaled = scaled + given
            return scaled.llvm("roundeven").to_int() + zero_point

        return self._store_integers(finish)

    @staticmethod
    def _store(emit: Any) -> Any:
        return primitive(
            lambda total, y, count, bias, ratio, offset, zero_point, low, high, first, second: types.none, emit
        )

    def _store_integers(self, finish: Callable[..., Traced]) -> Any:
        def emit(
            b: ir.IRBuilder, c: Any, k: Any, total: ir.Value, y: ir.Value, count: ir.Value, bias: ir.Value,
            ratio: ir.Value, offset: ir.Value, zero_point: ir.Value, low: ir.Value, high: ir.Value, *_: ir.Value,
        ) -> ir.Value:  # fmt: skip
            def spread(value: ir.Value) -> Traced:
                scalar = value if value.type == F32 else b.trunc(value, I32)
                return Traced(b, splat(b, scalar, self.lanes), self.target)

            operands = [spread(v) for v in (count, bias, ratio, offset, zero_point)]
            least, most = spread(low), spread(high)
            for value, address in self._parts(b, total, y):
                result = finish(Traced(b, value, self.target), *operands)
                result = result.llvm("smax", least).llvm("smin", most)
                store_at(b, b.trunc(result.value, self.memory.llvm), address)
            return c.get_dummy_value()

        return self._store(emit)

    def _to_float(self, b: ir.IRBuilder, count: ir.Value) -> ir.Value:
        return b.sitofp(b.trunc(count, I32), F32)

    def _fill(self, b: ir.IRBuilder, kind: Accumulators, value: float | int) -> ir.Value:
        vector = ir.Constant(kind.vector.llvm, [ELEMENTS[kind.vector.element](value)] * self.lanes)
        return self._pack(b, kind, [vector] * len(self.offsets))

    def _reduced(self, b: ir.IRBuilder, addresses: list[ir.Value]) -> list[ir.Value]:
        """Per vector of channels, the elements at several addresses reduced to one."""
        found = []
        for offset in self.offsets:
            values = [self._load(b, b.add(address, I64(offset * self.item))) for address in addresses]
            found.append(combine_all(b, self.target, self.operation, self.element, values))
        return found

    def _steps(self, b: ir.IRBuilder, tile: ir.Value, x: ir.Value, pitch: ir.Value | None, count: int) -> ir.Value:
        found = self._reduced(b, _spaced(b, x, pitch, count))
        before = [b.extract_value(tile, v) for v in range(len(found))]
        return self._pack(b, self.kind, [self._combine(b, old, new) for old, new in zip(before, found, strict=True)])

    def _load(self, b: ir.IRBuilder, address: ir.Value) -> ir.Value:
        value = load_at(b, address, self.memory.llvm)
        if self.operation == "sum" and not self.is_float:
            return (b.sext if self.element == "i8" else b.zext)(value, self.kind.vector.llvm)
        return prepare(b, self.operation, value)

    def _combine(self, b: ir.IRBuilder, x: ir.Value, y: ir.Value) -> ir.Value:
        return combine(b, self.operation, self.element, x, y)

    def _flush(self, b: ir.IRBuilder, c: Any, k: Any, total: ir.Value, tile: ir.Value) -> ir.Value:
        found = [b.extract_value(tile, v) for v in range(len(self.offsets))]
        if not self.is_float:
            extend = b.sext if self.element == "i8" else b.zext
            wide = [extend(value, self.total.vector.llvm) for value in found]
            found = [b.add(b.extract_value(total, v), value) for v, value in enumerate(wide)]
        return self._pack(b, self.total, found)

    def _parts(self, b: ir.IRBuilder, total: ir.Value, y: ir.Value) -> list[tuple[ir.Value, ir.Value]]:
        return [(b.extract_value(total, v), b.add(y, I64(offset * self.item))) for v, offset in enumerate(self.offsets)]

    @staticmethod
    def _pack(b: ir.IRBuilder, kind: Accumulators, vectors: list[ir.Value]) -> ir.Value:
        tile = ir.Constant(kind.llvm, ir.Undefined)
        for i, value in enumerate(vectors):
            tile = b.insert_value(tile, value, i)
        return tile


def _spaced(b: ir.IRBuilder, x: ir.Value, pitch: ir.Value | None, count: int) -> list[ir.Value]:
    """`count` addresses, a pitch apart."""
    found = [x]
    for _ in range(count - 1):
        found.append(b.add(found[-1], pitch))
    return found
