"""The vocabulary that a kernel factory is given: vector primitives and register tiles for one target."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, reduce
from typing import TYPE_CHECKING, Any

from llvmlite import ir
from numba.core import types

from . import atomics
from .cast_step import CastStep
from .depthwise_f32_tile import WindowTile
from .depthwise_int8_tile import DepthwiseTile
from .depthwise_layout import DepthwiseLayout
from .dot_tile import DotTile
from .float_tile import FloatTile
from .lookup_step import LookupStep
from .pair_tile import PairTile
from .pool_tile import PoolTile
from .reorder import Reorder
from .resample_step import ResampleStep
from .row_step import Row, RowStep
from .subroutine import subroutine
from .tile import Int8Tile
from .traced import Traced
from .vector import BYTES, ELEMENTS, Vector, call_llvm, load_at, pointer, primitive, shuffle, splat, store_at
from .winograd_line_tile import WinogradLineTile
from .winograd_tile import WinogradTile

if TYPE_CHECKING:
    from ..targets.target import Target

I32 = ir.IntType(32)
_RESULTS: tuple[Callable[..., types.Type], ...] = (
    lambda x: x, lambda x, y: x, lambda x, y, z: x, lambda x, y, z, w: x,
)  # fmt: skip
"""The type of a primitive of one to four operands, which is that of the first."""


class Isa:
    """Primitives for one target. Factories bind the ones they need to local names, which numba then inlines."""

    def __init__(self, target: Target) -> None:
        self.target = target
        self.lanes = target.vector_bytes // 4
        self.call_kernel = atomics.call_kernel
        self.atomic_load = atomics.atomic_load
        self.atomic_store = atomics.atomic_store
        self.publish = atomics.publish
        self.atomic_add = atomics.atomic_add
        self.compare_exchange = atomics.compare_exchange
        self.pause = atomics.pause(target)
        self.futex = atomics.futex(target)
        self.flush_denormals = atomics.flush_denormals(target)
        self.restore_mode = atomics.restore_mode(target)

    def int8_tile(
        self, rows: int, columns: int, across: int | None = None, ahead: int = 0, widened: bool = False,
        element: str = "i8",
    ) -> Int8Tile:  # fmt: skip
        """A register tile of rows x columns vectors of int32 accumulators for products of int8. across, widened,
        element: see Int8Tile. ahead: lines of weights that its inner loop prefetches at once."""
        kind = PairTile if self.target.i8mm else Int8Tile
        return kind(self.target, rows, columns, across, ahead, widened, element)

    def float_tile(
        self, rows: int, columns: int, tail: int | None, across: int | None = None, ahead: int = 0
    ) -> FloatTile:
        """A register tile of rows x columns vectors of float32 accumulators; tail: lanes used of the last column;
        others: as of int8_tile."""
        return FloatTile(self.target, rows, columns, tail, across, ahead)

    def depthwise(self, layout: DepthwiseLayout, repeat: int, dense: bool, joined: int, parts: int) -> DepthwiseTile:
        """A tile of int8 depthwise convolution."""
        return DepthwiseTile(self.target, layout, repeat, dense, joined, parts)

    def dot_tile(self, tail: int) -> DotTile:
        """Sums of products along contiguous elements; tail: of a run beyond whole vectors."""
        return DotTile(self.target, tail)

    def winograd(self, element: str) -> WinogradTile:
        """The transforms of a convolution by 3x3 kernels. element: "f32" or "i8"."""
        return WinogradTile(self.target, element)

    def winograd_line(self, columns: int) -> WinogradLineTile:
        """A tile of int8 convolution by 3x3 kernels, a pair of outputs at once."""
        return WinogradLineTile(self.target, columns)

    def window(self, lanes: int, kernel: int, stride: int, pixels: int) -> WindowTile:
        """A tile of float32 depthwise convolution."""
        return WindowTile(self.target, lanes, kernel, stride, pixels)

    def pool(self, element: str, operation: str, lanes: int, offsets: Sequence[int]) -> PoolTile:
        """Accumulators of sums and extremes over windows."""
        return PoolTile(self.target, element, operation, lanes, offsets)

    def row_step(
        self, operands: Sequence[Row], result: str, function: Callable[..., Any], parameters: int, vectors: int
    ) -> RowStep:
        """A step of an elementwise kernel."""
        return RowStep(self.target, operands, result, function, parameters, vectors)

    def lookup_step(self, vectors: int) -> LookupStep:
        """A step of a table lookup."""
        return LookupStep(self.target, vectors)

    def cast_step(self, source: str, result: str, vectors: int) -> CastStep:
        """A step of a cast between dtypes."""
        return CastStep(self.target, source, result, vectors)

    def function(self, compute: Callable[..., Traced], arity: int = 1) -> Any:
        """A vector function (kernels/functions.py) as a primitive: function(vector, ...) -> vector of the same type."""
        target = self.target

        def emit(b: ir.IRBuilder, c: Any, k: Any, *values: ir.Value) -> ir.Value:
            return compute(*(Traced(b, value, target) for value in values)).value

        return primitive(_RESULTS[arity - 1], emit)

    def fold(self, compute: Callable[[Traced, Traced], Traced]) -> Any:
        """fold(vector of several registers) -> vector of one: a vector function over the registers."""
        target, lanes = self.target, self.lanes

        def emit(b: ir.IRBuilder, c: Any, k: Any, value: ir.Value) -> ir.Value:
            parts = (shuffle(b, value, value, list(range(i, i + lanes))) for i in range(0, k[0].lanes, lanes))
            return reduce(compute, (Traced(b, part, target) for part in parts)).value

        return primitive(lambda vector: Vector(vector.element, lanes), emit)

    def resample(
        self, element: str, lanes: int, offsets: Sequence[int], taps: tuple[int, int], bits: int
    ) -> ResampleStep:
        """One output pixel of a resampled map."""
        return ResampleStep(self.target, element, lanes, offsets, taps, bits)

    def reorder(self, itemsize: int, flip: bool) -> Reorder:
        """Moves of blocks of elements from one axis to another."""
        return Reorder(self.target, itemsize, flip)

    @staticmethod
    def inline(function: Any) -> Any:
        """Marks a Python helper of a kernel to be inlined where it is called."""
        return subroutine(function)

    def scalar_load(self, element: str) -> Any:
        """scalar_load(address) -> float32 or float64, or the integer widened with its sign to int64."""
        return scalar_load(element)

    def scalar_store(self, element: str) -> Any:
        """scalar_store(value, address), truncated to the element's size."""
        return scalar_store(element)

    def move(self, itemsize: int, flip: bool = False) -> Any:
        """move(source, destination): one element."""
        element = {1: "i8", 2: "i16", 4: "i32", 8: "i64"}[itemsize]
        load, store = scalar_load(element), scalar_store(element)
        mask = 0x80 if flip else 0

        def move(source, destination):  # type: ignore[no-untyped-def]
            store(load(source) ^ mask, destination)

        return self.inline(move)

    def move_row(self, flip: bool = False) -> Any:
        """move_row(source, destination, size): bytes that do not overlap."""
        wide = self.target.vector_bytes
        load, store, splat = self.load("i8"), self.store(), self.splat("i8")
        load8, store8, load1, store1 = scalar_load("i64"), scalar_store("i64"), scalar_load("i8"), scalar_store("i8")
        mask = 0x80 if flip else 0
        mask8 = -0x7F7F7F7F7F7F7F80 if flip else 0

        def move_row(source, destination, size):  # type: ignore[no-untyped-def]
            at = 0
            flips = splat(mask)
            while at + wide <= size:
                store(load(source + at) ^ flips, destination + at)
                at += wide
            if at < size:
                if size >= wide:
                    store(load(source + size - wide) ^ flips, destination + size - wide)
                else:
                    while at + 8 <= size:
                        store8(load8(source + at) ^ mask8, destination + at)
                        at += 8
                    while at < size:
                        store1(load1(source + at) ^ mask, destination + at)
                        at += 1

        return self.inline(move_row)

    def widen(self) -> Any:
        """widen(source, destination, size): bytes become int16; up to a vector more of them."""
        count = self.target.vector_bytes // 2
        bytes_, words = ir.VectorType(ir.IntType(8), count), ir.VectorType(ir.IntType(16), count)

        def emit(b: ir.IRBuilder, c: Any, k: Any, source: ir.Value, destination: ir.Value) -> ir.Value:
            store_at(b, b.zext(load_at(b, source, bytes_), words), destination)
            return c.get_dummy_value()

        step = primitive(lambda source, destination: types.none, emit)

        def widen(source, destination, size):  # type: ignore[no-untyped-def]
            at = 0
            while at < size:
                step(source + at, destination + 2 * at)
                at += count

        return self.inline(widen)

    def fill(self) -> Any:
        """fill(address, size, value): bytes."""
        wide = self.target.vector_bytes
        store, splat, store8, store1 = self.store(), self.splat("i8"), scalar_store("i64"), scalar_store("i8")

        def fill(address, size, value):  # type: ignore[no-untyped-def]
            at = 0
            vector = splat(value)
            word = value * 0x0101010101010101
            while at + wide <= size:
                store(vector, address + at)
                at += wide
            while at + 8 <= size:
                store8(word, address + at)
                at += 8
            while at < size:
                store1(value, address + at)
                at += 1

        return self.inline(fill)

    def load(self, element: str, lanes: int | None = None) -> Any:
        """load(address) -> vector."""
        return load(element, lanes or self.target.vector_bytes // BYTES[element])

    def splat(self, element: str, lanes: int | None = None) -> Any:
        """splat(scalar) -> vector with the scalar in every lane."""
        return broadcast(element, lanes or self.target.vector_bytes // BYTES[element])

    def store(self, lanes: int | None = None) -> Any:
        """store(vector, address): its first `lanes` lanes (default: all)."""
        return store(lanes)


def _stream(b: ir.IRBuilder, c: Any, k: Any, value: ir.Value, address: ir.Value) -> ir.Value:
    stored = b.store(value, pointer(b, address, value.type), align=value.type.count * 4)
    stored.set_metadata("nontemporal", b.module.add_metadata([I32(1)]))
    return c.get_dummy_value()


stream = primitive(lambda value, address: types.none, _stream)
"""stream(vector of 32-bit elements, aligned address): a store that passes the caches by, where the target has one."""


@cache
def fence(target: Target) -> Any:
    """fence(): what was streamed is seen before what is written afterwards."""

    def emit(b: ir.IRBuilder, c: Any, k: Any) -> ir.Value:
        if target.family == "x86":
            call_llvm(b, "llvm.x86.sse.sfence", ir.VoidType())
        return c.get_dummy_value()

    return primitive(lambda: types.none, emit)


@cache
def load(element: str, lanes: int) -> Any:
    kind = Vector(element, lanes)
    return primitive(lambda address: kind, lambda b, c, k, address: load_at(b, address, kind.llvm))


@cache
def narrow_load(element: str, lanes: int) -> Any:
    """narrow_load(address) -> int32 vector of so many bytes, "u8" or "i8"."""
    kind, bytes_ = Vector("i32", lanes), ir.VectorType(ELEMENTS["i8"], lanes)

    def emit(b: ir.IRBuilder, c: Any, k: Any, address: ir.Value) -> ir.Value:
        widen = b.zext if element == "u8" else b.sext
        return widen(load_at(b, address, bytes_), kind.llvm)

    return primitive(lambda address: kind, emit)


@cache
def store(lanes: int | None = None) -> Any:
    def emit(b: ir.IRBuilder, c: Any, k: Any, value: ir.Value, address: ir.Value) -> ir.Value:
        if lanes is not None and lanes < k[0].lanes:
            value = shuffle(b, value, value, list(range(lanes)))
        store_at(b, value, address)
        return c.get_dummy_value()

    return primitive(lambda value, address: types.none, emit)


@cache
def scalar_load(element: str) -> Any:
    floats: dict[str, types.Type] = {"f32": types.float32, "f64": types.float64}
    result = floats.get(element, types.int64)

    def emit(b: ir.IRBuilder, c: Any, k: Any, address: ir.Value) -> ir.Value:
        value = load_at(b, address, ELEMENTS[element])
        return value if element in ("f32", "f64", "i64") else b.sext(value, ELEMENTS["i64"])

    return primitive(lambda address: result, emit)


@cache
def scalar_store(element: str) -> Any:
    def emit(b: ir.IRBuilder, c: Any, k: Any, value: ir.Value, address: ir.Value) -> ir.Value:
        if isinstance(value.type, ir.IntType) and value.type.width > ELEMENTS[element].width:
            value = b.trunc(value, ELEMENTS[element])
        store_at(b, value, address)
        return c.get_dummy_value()

    return primitive(lambda value, address: types.none, emit)


@cache
def broadcast(element: str, lanes: int) -> Any:
    kind = Vector(element, lanes)
    scalar = ELEMENTS[element]

    def emit(b: ir.IRBuilder, c: Any, k: Any, value: ir.Value) -> ir.Value:
        if isinstance(value.type, ir.IntType) and isinstance(scalar, ir.IntType) and value.type.width > scalar.width:
            value = b.trunc(value, scalar)
        elif isinstance(value.type, ir.DoubleType):
            value = b.fptrunc(value, scalar)
        return splat(b, value, lanes)

    return primitive(lambda value: kind, emit)


def _same(name: str, arity: int) -> Any:
    """A primitive on vectors of one type through the LLVM intrinsic llvm.<name>.<type>."""

    def emit(b: ir.IRBuilder, c: Any, k: Any, *values: ir.Value) -> ir.Value:
        return call_llvm(b, f"llvm.{name}.v{k[0].lanes}{k[0].element}", values[0].type, *values)

    return primitive(_RESULTS[arity - 1], emit)


fma = _same("fma", 3)
absolute = _same("fabs", 1)
sqrt = _same("sqrt", 1)
floor = _same("floor", 1)
ceil = _same("ceil", 1)
imin = _same("smin", 2)
imax = _same("smax", 2)
umax = _same("umax", 2)


def _convert(source: str, result: str, emit: Any) -> Any:
    return primitive(lambda v: Vector(result, v.lanes), lambda b, c, k, v: emit(b, c, v, Vector(result, k[0].lanes)))


to_float = _convert("i32", "f32", lambda b, c, v, kind: b.sitofp(v, kind.llvm))
to_int = _convert("f32", "i32", lambda b, c, v, kind: b.fptosi(v, kind.llvm))
bits = _convert("f32", "i32", lambda b, c, v, kind: b.bitcast(v, kind.llvm))
from_bits = _convert("i32", "f32", lambda b, c, v, kind: b.bitcast(v, kind.llvm))
trunc8 = _convert("i32", "i8", lambda b, c, v, kind: b.trunc(v, kind.llvm))
