"""A step that computes: a function of up to three operands in float32 or integers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from llvmlite import ir

from ..targets.target import Target
from .requantize import saturated
from .step import State, Step
from .traced import Traced
from .vector import ELEMENTS, load_at, splat

I32, I64 = ir.IntType(32), ir.IntType(64)


class Row(NamedTuple):
    """An operand. element: "f32", "i32", "i64", "u8" or "i8"; bytes are widened to int32.

    scalar: one element serves a row.
    """

    element: str
    scalar: bool = False

    @property
    def pitch(self) -> int:
        """Bytes from one element to the next."""
        return 0 if self.scalar else self.size

    @property
    def size(self) -> int:
        return {"f32": 4, "i32": 4, "i64": 8}.get(self.element, 1)


class RowStep(Step):
    """Results are function(operands ..., parameters ...) on Traced vectors.

    result: "f32", "i32" or "i64" as they are; "bool" for comparisons; "u8" or "i8" for int32 results that are saturated
    to int16, added to a zero point and saturated and clamped to bytes; then the last three parameters are the zero
    point, the lowest and the highest byte.
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
        self.words = ir.ArrayType(I32, max(parameters, 1))
        state = State(f"{parameters} words", self.words)
        super().__init__(state, [row.pitch for row in operands], vectors * self.lanes, Row(result).size)

    def load(self, b: ir.IRBuilder, address: ir.Value) -> ir.Value:
        words = ir.Constant(self.words, ir.Undefined)
        for i in range(self.parameters):
            words = b.insert_value(words, load_at(b, b.add(address, I64(4 * i)), I32), i)
        return words

    def results(self, b: ir.IRBuilder, state: ir.Value, addresses: Sequence[ir.Value]) -> list[ir.Value]:
        scalars = [b.extract_value(state, i) for i in range(self.parameters)]
        used = scalars[:-3] if self.result in ("u8", "i8") else scalars
        parameters = [Traced(b, splat(b, word, self.lanes), self.target) for word in used]
        found = []
        for v in range(self.vectors):
            operands = [self._operand(b, row, x, v) for row, x in zip(self.operands, addresses, strict=True)]
            found.append(self.function(*operands, *parameters).value)
        if self.result == "bool":
            return [b.zext(value, ir.VectorType(ELEMENTS["i8"], self.lanes)) for value in found]
        if self.result not in ("u8", "i8"):
            return found
        zero_point, low, high = (b.sext(word, I64) for word in scalars[-3:])
        return saturated(b, self.target, found, zero_point, low, high, self.result == "i8")

    def _operand(self, b: ir.IRBuilder, row: Row, address: ir.Value, v: int) -> Traced:
        scalar = ELEMENTS[row.element if row.size > 1 else "i8"]
        if row.scalar:
            value = splat(b, self._widen(b, row, load_at(b, address, scalar), I32), self.lanes)
        else:
            value = load_at(b, b.add(address, I64(v * self.lanes * row.size)), ir.VectorType(scalar, self.lanes))
            value = self._widen(b, row, value, ir.VectorType(I32, self.lanes))
        return Traced(b, value, self.target)

    @staticmethod
    def _widen(b: ir.IRBuilder, row: Row, value: ir.Value, kind: ir.Type) -> ir.Value:
        if row.size > 1:
            return value
        return b.sext(value, kind) if row.element == "i8" else b.zext(value, kind)
