"""One step along rows of elements: a few vectors of every operand are read, as many results are written."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from llvmlite import ir
from numba.core import cgutils, types
from numba.core.datamodel import models
from numba.core.extending import register_model

from .requantize import saturate_store
from .target import Target
from .traced import Traced
from .vector import ELEMENTS, load_at, primitive, splat, store_at

I32, I64 = ir.IntType(32), ir.IntType(64)
SPARE_BYTES = 256


class Row(NamedTuple):
    """An operand. element: "f32", "i32", "u8" or "i8"; bytes are widened to int32. scalar: one element serves a row."""

    element: str
    scalar: bool = False

    @property
    def pitch(self) -> int:
        """Bytes from one element to the next."""
        return 0 if self.scalar else 4 if self.element in ("f32", "i32") else 1


class _Parameters(types.Type):
    """Integers and float bit patterns that a kernel reads once and keeps in registers."""

    def __init__(self, count: int) -> None:
        self.count = count
        super().__init__(name=f"parameters({count})")


@register_model(_Parameters)
class _ParametersModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: _Parameters) -> None:
        super().__init__(manager, kind, ir.ArrayType(I32, kind.count))


class RowStep:
    """prepare(address) -> parameters; step(parameters, operand addresses ..., y).

    A step makes `elements` results: function(operands ..., parameters ...) on Traced vectors. result: "f32" or "i32",
    or "u8" or "i8" for int32 results that are saturated to int16, added to a zero point and saturated and clamped to
    bytes; then the last three parameters are the zero point, the lowest and the highest byte.
    parameters: how many 32-bit words there are at prepare's address.
    """

    def __init__(
        self,
        target: Target,
        operands: Sequence[Row],
        result: str,
        function: Callable[..., Traced],
        parameters: int,
        vectors: int,
    ) -> None:
        self.target, self.operands, self.result, self.function = target, operands, result, function
        self.parameters, self.vectors = parameters, vectors
        self.lanes = target.vector_bytes // 4
        self.elements = vectors * self.lanes
        self.pitch = Row(result).pitch
        kind = _Parameters(max(parameters, 1))
        self.prepare = primitive(lambda address: kind, self._prepare)
        self.step = primitive(
            (lambda parameters, x, y: types.none) if len(operands) == 1 else (lambda parameters, a, b, y: types.none),
            self._step,
        )

    def _prepare(self, b: ir.IRBuilder, c: Any, k: Any, address: ir.Value) -> ir.Value:
        words = ir.Constant(ir.ArrayType(I32, max(self.parameters, 1)), ir.Undefined)
        for i in range(self.parameters):
            words = b.insert_value(words, load_at(b, b.add(address, I64(4 * i)), I32), i)
        return words

    def _step(self, b: ir.IRBuilder, c: Any, k: Any, words: ir.Value, *addresses: ir.Value) -> ir.Value:
        *sources, y = addresses
        scalars = [b.extract_value(words, i) for i in range(self.parameters)]
        used = scalars if self.pitch == 4 else scalars[:-3]
        parameters = [Traced(b, splat(b, word, self.lanes), self.target) for word in used]
        results = []
        for v in range(self.vectors):
            operands = [self._load(b, row, x, v) for row, x in zip(self.operands, sources, strict=True)]
            results.append(self.function(*operands, *parameters).value)
        if self.pitch == 4:
            for v, value in enumerate(results):
                store_at(b, value, b.add(y, I64(4 * self.lanes * v)))
        else:
            zero_point, low, high = (b.sext(word, I64) for word in scalars[-3:])
            saturate_store(b, self.target, results, y, zero_point, low, high, self.result == "i8")
        return c.get_dummy_value()

    def _load(self, b: ir.IRBuilder, row: Row, address: ir.Value, v: int) -> Traced:
        scalar = ELEMENTS["i8" if row.pitch == 1 or row.element in ("u8", "i8") else row.element]
        if row.scalar:
            value = splat(b, self._widen(b, row, load_at(b, address, scalar), I32), self.lanes)
        else:
            at = b.add(address, I64(v * self.lanes * row.pitch))
            value = self._widen(
                b, row, load_at(b, at, ir.VectorType(scalar, self.lanes)), ir.VectorType(I32, self.lanes)
            )
        return Traced(b, value, self.target)

    @staticmethod
    def _widen(b: ir.IRBuilder, row: Row, value: ir.Value, kind: ir.Type) -> ir.Value:
        if row.element in ("f32", "i32"):
            return value
        return b.sext(value, kind) if row.element == "i8" else b.zext(value, kind)


def _spare(b: ir.IRBuilder, c: Any, k: Any) -> ir.Value:
    return b.ptrtoint(cgutils.alloca_once(b, ir.ArrayType(ir.IntType(8), SPARE_BYTES)), I64)


spare = primitive(lambda: types.int64, _spare)
"""spare() -> the address of SPARE_BYTES of memory on the stack: where a step writes that has more room than its row."""
