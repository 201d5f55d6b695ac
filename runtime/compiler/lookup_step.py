"""One step of a table lookup: bytes as indices into 256 bytes."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba.core import types
from numba.core.datamodel import models
from numba.core.extending import register_model

from .target import Target
from .vector import call_llvm, load_at, primitive, shuffle, splat, store_at

I8, I64 = ir.IntType(8), ir.IntType(64)
PIECE = 16
"""Bytes of the smallest step with vectors."""


class _Table(types.Type):
    """The table in `count` registers of `lanes` bytes; its address alone where registers are of no use."""

    def __init__(self, count: int, lanes: int) -> None:
        vector = ir.VectorType(I8, lanes)
        self.llvm = ir.ArrayType(vector, count) if count else I64
        super().__init__(name=f"table({count}x{lanes})")


@register_model(_Table)
class _TableModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: _Table) -> None:
        super().__init__(manager, kind, kind.llvm)


class LookupStep:
    """prepare(address of the table) -> table; step(table, x, y): `elements` bytes."""

    pitch = 1

    def __init__(self, target: Target, vectors: int) -> None:
        self.target = target
        if target.family == "arm":
            self.registers, self.lanes, self.elements = 16, 16, PIECE * vectors
        elif target.vbmi:
            self.registers, self.lanes, self.elements = 4, 64, PIECE if vectors == 1 else 64 * vectors
        else:
            self.registers, self.lanes, self.elements = 0, 0, 4 * vectors
        kind = _Table(self.registers, self.lanes)
        self.prepare = primitive(lambda address: kind, self._prepare)
        self.step = primitive(lambda table, x, y: types.none, self._step)

    def _prepare(self, b: ir.IRBuilder, c: Any, k: Any, address: ir.Value) -> ir.Value:
        if not self.registers:
            return address
        vector = ir.VectorType(I8, self.lanes)
        table = ir.Constant(ir.ArrayType(vector, self.registers), ir.Undefined)
        for i in range(self.registers):
            table = b.insert_value(table, load_at(b, b.add(address, I64(self.lanes * i)), vector), i)
        return table

    def _step(self, b: ir.IRBuilder, c: Any, k: Any, table: ir.Value, x: ir.Value, y: ir.Value) -> ir.Value:
        if not self.registers:
            for i in range(self.elements):
                index = b.zext(load_at(b, b.add(x, I64(i)), I8), I64)
                store_at(b, load_at(b, b.add(table, index), I8), b.add(y, I64(i)))
            return c.get_dummy_value()
        parts = [b.extract_value(table, i) for i in range(self.registers)]
        size = min(self.lanes, self.elements)
        for at in range(0, self.elements, size):
            index = load_at(b, b.add(x, I64(at)), ir.VectorType(I8, size))
            found = self._neon(b, parts, index) if self.target.family == "arm" else self._vbmi(b, parts, index)
            store_at(b, found, b.add(y, I64(at)))
        return c.get_dummy_value()

    @staticmethod
    def _neon(b: ir.IRBuilder, parts: list[ir.Value], index: ir.Value) -> ir.Value:
        """tbl gives 0 for indices from 64 on, tbx leaves the byte as it is."""
        kind = ir.VectorType(I8, 16)
        found = call_llvm(b, "llvm.aarch64.neon.tbl4.v16i8", kind, *parts[:4], index)
        for first in range(4, 16, 4):
            index = b.sub(index, splat(b, I8(64), 16))
            found = call_llvm(b, "llvm.aarch64.neon.tbx4.v16i8", kind, found, *parts[first : first + 4], index)
        return found

    @staticmethod
    def _vbmi(b: ir.IRBuilder, parts: list[ir.Value], index: ir.Value) -> ir.Value:
        """vpermi2b looks seven bits up in two registers; the eighth chooses between two of them."""
        kind = ir.VectorType(I8, 64)
        size = index.type.count
        if size < 64:
            index = shuffle(b, index, index, [i % size for i in range(64)])
        name = "llvm.x86.avx512.vpermi2var.qi.512"
        low = call_llvm(b, name, kind, parts[0], index, parts[1])
        high = call_llvm(b, name, kind, parts[2], index, parts[3])
        found = b.select(b.icmp_signed("<", index, ir.Constant(kind, [0] * 64)), high, low)
        return found if size == 64 else shuffle(b, found, found, list(range(size)))
