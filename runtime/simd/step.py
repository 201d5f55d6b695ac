"""Steps of elementwise kernels: a few vectors of every operand are read, as many results are written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llvmlite import ir
from numba.core import types
from numba.core.datamodel import models
from numba.core.extending import register_model

from .vector import primitive, shuffle, store_at

I64 = ir.IntType(64)


class State(types.Type):
    """What a kernel reads once and keeps in registers: an LLVM value of any type."""

    def __init__(self, name: str, llvm: ir.Type) -> None:
        self.llvm = llvm
        super().__init__(name=f"state({name})")


@register_model(State)
class _StateModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: State) -> None:
        super().__init__(manager, kind, kind.llvm)


class Step:
    """prepare(address) -> state; step(state, a, b, c, y) does `elements` elements, of operands at a, b and c.

    partial(state, a, b, c, y, count) does fewer, and so only a step of one vector has it; it reads as many as a whole
    step. pitches: bytes from one element of each operand to the next; a step of fewer than three does not read from the
    addresses of the others. pitch: the same of the result.
    """

    def __init__(self, state: State, pitches: Sequence[int], elements: int, pitch: int) -> None:
        self.pitches, self.elements, self.pitch = tuple(pitches), elements, pitch
        self.prepare = primitive(lambda address: state, self._prepare)
        self.step = primitive(lambda state, a, b, c, y: types.none, self._step)
        self.partial = primitive(lambda state, a, b, c, y, count: types.none, self._partial)

    def load(self, b: ir.IRBuilder, address: ir.Value) -> ir.Value:
        """The state."""
        raise NotImplementedError

    def results(self, b: ir.IRBuilder, state: ir.Value, addresses: Sequence[ir.Value]) -> list[ir.Value]:
        """Vectors that follow one another in memory."""
        raise NotImplementedError

    def _prepare(self, b: ir.IRBuilder, c: Any, k: Any, address: ir.Value) -> ir.Value:
        return self.load(b, address)

    def _step(self, b: ir.IRBuilder, c: Any, k: Any, state: ir.Value, *addresses: ir.Value) -> ir.Value:
        *sources, y = addresses
        at = 0
        for value in self.results(b, state, sources[: len(self.pitches)]):
            store_at(b, value, b.add(y, I64(at)))
            at += value.type.count * self.pitch
        return c.get_dummy_value()

    def _partial(self, b: ir.IRBuilder, c: Any, k: Any, state: ir.Value, *addresses: ir.Value) -> ir.Value:
        *sources, y, count = addresses
        (value,) = self.results(b, state, sources[: len(self.pitches)])
        _store_first(b, value, y, count, self.pitch)
        return c.get_dummy_value()


def _store_first(b: ir.IRBuilder, value: ir.Value, address: ir.Value, count: ir.Value, pitch: int) -> None:
    """Writes the first `count` lanes, fewer than all: a power of two at a time."""
    size = value.type.count // 2
    while size:
        wanted = b.icmp_signed("!=", b.and_(count, I64(size)), I64(0))
        with b.if_then(wanted):
            store_at(b, shuffle(b, value, value, list(range(size))), address)
        address = b.select(wanted, b.add(address, I64(size * pitch)), address)
        rest = shuffle(b, value, value, list(range(size, 2 * size)))
        value = b.select(wanted, rest, shuffle(b, value, value, list(range(size))))
        size //= 2
