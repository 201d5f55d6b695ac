"""One step of a cast between dtypes."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import types

from .target import Target
from .vector import call_llvm, load_at, primitive, store_at

I64 = ir.IntType(64)


class CastStep:
    """prepare(address) -> a dummy; step(dummy, x, y): `elements` elements of dtype source become dtype result.

    Floats lose their fraction; those that do not fit are saturated, NaN becomes 0. Integers wrap around.
    """

    def __init__(self, target: Target, source: str, result: str, vectors: int) -> None:
        self.source, self.result = source, result
        self.lanes = target.vector_bytes // 4
        self.vectors = vectors
        self.elements = self.lanes * vectors
        self.x_pitch, self.pitch = np.dtype(source).itemsize, np.dtype(result).itemsize
        self.prepare = primitive(lambda address: types.int64, lambda b, c, k, address: address)
        self.step = primitive(lambda nothing, x, y: types.none, self._step)

    def _step(self, b: ir.IRBuilder, c: Any, k: Any, nothing: ir.Value, x: ir.Value, y: ir.Value) -> ir.Value:
        for v in range(self.vectors):
            value = load_at(b, b.add(x, I64(v * self.lanes * self.x_pitch)), self._kind(self.source))
            store_at(b, self._cast(b, value), b.add(y, I64(v * self.lanes * self.pitch)))
        return c.get_dummy_value()

    def _kind(self, dtype: str) -> ir.VectorType:
        scalar = ir.FloatType() if dtype == "float32" else ir.IntType(8 * np.dtype(dtype).itemsize)
        return ir.VectorType(scalar, self.lanes)

    def _cast(self, b: ir.IRBuilder, value: ir.Value) -> ir.Value:
        kind = self._kind(self.result)
        if self.result == "bool":
            zero = ir.Constant(self._kind(self.source), None)
            is_float = self.source == "float32"
            return b.zext(b.fcmp_unordered("!=", value, zero) if is_float else b.icmp_signed("!=", value, zero), kind)
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
