"""Primitives across the lanes of one vector: reductions, and what is done at the end of a row."""

from __future__ import annotations

from functools import cache
from typing import Any

from llvmlite import ir
from numba.core import types

from .reduction import combine, prepare
from .vector import ELEMENTS, call_llvm, pointer, primitive, shuffle, splat

I1, I32, I64 = ir.IntType(1), ir.IntType(32), ir.IntType(64)

_INTEGER = {"add": "add", "max": "smax", "min": "smin", "umax": "umax", "umin": "umin"}


@cache
def reduce(operation: str) -> Any:
    """reduce(vector) -> scalar: "add", "mul", "max" or "min" (of float32, NaN where any lane is), "umax", "umin" (of
    unsigned integers; the result is widened to int64 without a sign, else with it). Float sums are pairwise."""

    def result(vector: Any) -> types.Type:
        return types.float32 if vector.is_float else types.int64

    def emit(b: ir.IRBuilder, c: Any, k: Any, vector: ir.Value) -> ir.Value:
        suffix = f"v{k[0].lanes}{k[0].element}"
        element = ELEMENTS[k[0].element]
        if not k[0].is_float:
            value = call_llvm(b, f"llvm.vector.reduce.{_INTEGER[operation]}.{suffix}", element, vector)
            if element == I64:
                return value
            return b.zext(value, I64) if operation.startswith("u") else b.sext(value, I64)
        if operation in ("add", "mul"):
            start = element(-0.0 if operation == "add" else 1.0)
            return call_llvm(
                b, f"llvm.vector.reduce.f{operation}.{suffix}", element, start, vector, fastmath=("reassoc",)
            )
        return call_llvm(b, f"llvm.vector.reduce.f{operation}imum.{suffix}", element, vector, fastmath=("nsz",))

    return primitive(result, emit)


def bits_of(b: ir.IRBuilder, mask: ir.Value) -> ir.Value:
    """int64: a bit for each of a vector of booleans."""
    return b.zext(b.bitcast(mask, ir.IntType(mask.type.count)), I64)


def _before(b: ir.IRBuilder, lanes: int, count: ir.Value) -> ir.Value:
    """Vector of booleans: lane < count, count an int64."""
    kind = ir.VectorType(I32, lanes)
    return b.icmp_signed("<", ir.Constant(kind, list(range(lanes))), splat(b, b.trunc(count, I32), lanes))


def _keep(b: ir.IRBuilder, c: Any, k: Any, vector: ir.Value, count: ir.Value, other: ir.Value) -> ir.Value:
    return b.select(_before(b, k[0].lanes, count), vector, other)


keep = primitive(lambda vector, count, other: vector, _keep)
"""keep(vector, count, other): the first `count` lanes of a vector, of the other beyond."""


def _store_first(b: ir.IRBuilder, c: Any, k: Any, vector: ir.Value, address: ir.Value, count: ir.Value) -> ir.Value:
    lanes = k[0].lanes
    mask = _before(b, lanes, count)
    name = f"llvm.masked.store.v{lanes}{k[0].element}.p0"
    place = pointer(b, address, k[0].llvm)
    function = b.module.globals.get(name)
    if function is None:
        kind = ir.FunctionType(ir.VoidType(), [k[0].llvm, place.type, I32, ir.VectorType(I1, lanes)])
        function = ir.Function(b.module, kind, name=name)
    b.call(function, [vector, place, I32(1), mask])
    return c.get_dummy_value()


store_first = primitive(lambda vector, address, count: types.none, _store_first)
"""store_first(vector, address, count): the first `count` lanes."""


def _above(b: ir.IRBuilder, c: Any, k: Any, x: ir.Value, y: ir.Value) -> ir.Value:
    return bits_of(b, b.fcmp_ordered(">", x, y) if k[0].is_float else b.icmp_signed(">", x, y))


above = primitive(lambda x, y: types.int64, _above)
"""above(x, y) -> bits of at most 64 lanes, the first one's the lowest: 1 where x > y."""


def _trailing_zeros(b: ir.IRBuilder, c: Any, k: Any, x: ir.Value) -> ir.Value:
    return call_llvm(b, "llvm.cttz.i64", I64, x, I1(1))


trailing_zeros = primitive(lambda x: types.int64, _trailing_zeros)
"""trailing_zeros(x) -> the number of the lowest bit of an int64 that is 1; of 0 any number."""


def _load_first(b: ir.IRBuilder, c: Any, k: Any, address: ir.Value, count: ir.Value, other: ir.Value) -> ir.Value:
    kind = k[2]
    mask = _before(b, kind.lanes, count)
    name = f"llvm.masked.load.v{kind.lanes}{kind.element}.p0"
    place = pointer(b, address, kind.llvm)
    function = b.module.globals.get(name)
    if function is None:
        types_ = [place.type, I32, ir.VectorType(I1, kind.lanes), kind.llvm]
        function = ir.Function(b.module, ir.FunctionType(kind.llvm, types_), name=name)
    return b.call(function, [place, I32(1), mask, other])


load_first = primitive(lambda address, count, other: other, _load_first)
"""load_first(address, count, other): the first `count` elements, and nothing beyond them; then lanes of the other."""


@cache
def gather(operation: str) -> Any:
    """gather(accumulator, vector) -> accumulator: reduces elements of float32 (reduction.py) into partial results."""

    def emit(b: ir.IRBuilder, c: Any, k: Any, x: ir.Value, y: ir.Value) -> ir.Value:
        return combine(b, operation, "f32", x, prepare(b, operation, y))

    return primitive(lambda accumulator, vector: accumulator, emit)


@cache
def merge(operation: str) -> Any:
    """merge(accumulator, accumulator) -> accumulator."""
    return primitive(lambda x, y: x, lambda b, c, k, x, y: combine(b, operation, "f32", x, y))


@cache
def groups(operation: str, size: int) -> Any:
    """groups(vector) -> vector: in every lane what reduces its group of `size` lanes, a power of two."""

    def emit(b: ir.IRBuilder, c: Any, k: Any, value: ir.Value) -> ir.Value:
        step = 1
        while step < size:
            other = shuffle(b, value, value, [lane ^ step for lane in range(k[0].lanes)])
            value = combine(b, operation, "f32", value, other)
            step *= 2
        return value

    return primitive(lambda vector: vector, emit)
