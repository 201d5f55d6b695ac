"""A step that casts between dtypes."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from llvmlite import ir

from ..targets.target import Target
from .step import State, Step
from .vector import call_llvm, load_at

I64 = ir.IntType(64)


class CastStep(Step):
    """Elements of dtype source become dtype result; there is no state.

    As ops/cast.py has it. Whether a float is zero is asked of its bits, as comparisons take denormal numbers for zero.
    """

    def __init__(self, target: Target, source: str, result: str, vectors: int) -> None:
        self.source, self.result, self.vectors = source, result, vectors
        self.lanes = target.vector_bytes // 4
        self.x_pitch = np.dtype(source).itemsize
        super().__init__(State("none", I64), [self.x_pitch], self.lanes * vectors, np.dtype(result).itemsize)

    def load(self, b: ir.IRBuilder, address: ir.Value) -> ir.Value:
        return address

    def results(self, b: ir.IRBuilder, state: ir.Value, addresses: Sequence[ir.Value]) -> list[ir.Value]:
        places = [b.add(addresses[0], I64(v * self.lanes * self.x_pitch)) for v in range(self.vectors)]
        return [self._cast(b, load_at(b, place, self._kind(self.source))) for place in places]

    def _kind(self, dtype: str) -> ir.VectorType:
        floats = {"float32": ir.FloatType(), "float16": ir.HalfType()}
        return ir.VectorType(floats.get(dtype) or ir.IntType(8 * np.dtype(dtype).itemsize), self.lanes)

    def _cast(self, b: ir.IRBuilder, value: ir.Value) -> ir.Value:
        kind = self._kind(self.result)
        if {self.source, self.result} == {"float16", "float32"}:
            return b.fpext(value, kind) if self.result == "float32" else b.fptrunc(value, kind)
        if self.result == "bool":
            if self.source == "float32":
                bits = self._kind("int32")
                value = b.and_(b.bitcast(value, bits), ir.Constant(bits, [(1 << 31) - 1] * self.lanes))
            return b.zext(b.icmp_signed("!=", value, ir.Constant(value.type, None)), kind)
        unsigned = self.source in ("uint8", "bool")
        if self.source == "float32":
            wide = kind if self.pitch == 8 else self._kind("int32")
            name = f"llvm.fptosi.sat.v{self.lanes}i{wide.element.width}.v{self.lanes}f32"
            value = call_llvm(b, name, wide, value)
            return value if wide == kind else b.trunc(value, kind)
        if self.result == "float32":
            return b.uitofp(value, kind) if unsigned else b.sitofp(value, kind)
        if self.pitch > self.x_pitch:
            return b.zext(value, kind) if unsigned else b.sext(value, kind)
        return b.trunc(value, kind) if self.pitch < self.x_pitch else value
