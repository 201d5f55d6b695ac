"""A step that looks bytes up in a table of 256."""

from __future__ import annotations

from collections.abc import Sequence

from llvmlite import ir

from ..targets.target import Target
from .step import State, Step
from .vector import call_llvm, load_at, shuffle, splat

I8, I32, I64 = ir.IntType(8), ir.IntType(32), ir.IntType(64)
PIECE = 16
"""Bytes of the smallest step with vectors."""


class LookupStep(Step):
    """The state is the table in registers, or its address where registers are of no use."""

    def __init__(self, target: Target, vectors: int) -> None:
        self.target = target
        if target.family == "arm":
            self.registers, lanes, elements = 16, 16, PIECE * vectors
        elif target.vbmi:
            self.registers, lanes, elements = 4, 64, PIECE if vectors == 1 else 64 * vectors
        else:
            self.registers, lanes, elements = 0, PIECE, PIECE * vectors
        self.register = ir.VectorType(I8, lanes)
        state = ir.ArrayType(self.register, self.registers) if self.registers else I64
        super().__init__(State(f"table in {self.registers}", state), [1], elements, 1)

    def load(self, b: ir.IRBuilder, address: ir.Value) -> ir.Value:
        if not self.registers:
            return address
        table = ir.Constant(ir.ArrayType(self.register, self.registers), ir.Undefined)
        for i in range(self.registers):
            part = load_at(b, b.add(address, I64(self.register.count * i)), self.register)
            table = b.insert_value(table, part, i)
        return table

    def results(self, b: ir.IRBuilder, state: ir.Value, addresses: Sequence[ir.Value]) -> list[ir.Value]:
        size = min(self.register.count, self.elements)
        places = [b.add(addresses[0], I64(at)) for at in range(0, self.elements, size)]
        if not self.registers:
            return [self._one_by_one(b, state, place) for place in places]
        parts = [b.extract_value(state, i) for i in range(self.registers)]
        look_up = self._neon if self.target.family == "arm" else self._vbmi
        return [look_up(b, parts, load_at(b, place, ir.VectorType(I8, size))) for place in places]

    @staticmethod
    def _one_by_one(b: ir.IRBuilder, table: ir.Value, address: ir.Value) -> ir.Value:
        found = ir.Constant(ir.VectorType(I8, PIECE), ir.Undefined)
        for i in range(PIECE):
            index = b.zext(load_at(b, b.add(address, I64(i)), I8), I64)
            found = b.insert_element(found, load_at(b, b.add(table, index), I8), I32(i))
        return found

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
