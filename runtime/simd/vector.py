"""SIMD vectors as numba values: types, operators and the primitives that kernels are written with.

A vector is an LLVM vector and lives in registers. All memory accesses are unaligned. Signed and unsigned bytes share
one LLVM type; the primitives' names say which is meant.
"""

from __future__ import annotations

import inspect
import operator
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from llvmlite import ir
from numba.core import types
from numba.core.datamodel import models
from numba.core.extending import intrinsic, lower_builtin, register_model
from numba.core.typing.templates import AbstractTemplate, infer_global, signature

from .tile_layout import GROUPED

ELEMENTS: dict[str, ir.Type] = {
    "f32": ir.FloatType(),
    "f64": ir.DoubleType(),
    "i64": ir.IntType(64),
    "i32": ir.IntType(32),
    "i16": ir.IntType(16),
    "i8": ir.IntType(8),
}
BYTES = {"f32": 4, "f64": 8, "i64": 8, "i32": 4, "i16": 2, "i8": 1}


class Vector(types.Type):
    """A vector of `lanes` elements of a type named in ELEMENTS."""

    def __init__(self, element: str, lanes: int) -> None:
        self.element = element
        self.lanes = lanes
        super().__init__(name=f"{element}x{lanes}")

    @property
    def llvm(self) -> ir.VectorType:
        return ir.VectorType(ELEMENTS[self.element], self.lanes)

    @property
    def is_float(self) -> bool:
        return self.element == "f32"


@register_model(Vector)
class _VectorModel(models.PrimitiveModel):
    def __init__(self, manager: Any, kind: Vector) -> None:
        super().__init__(manager, kind, kind.llvm)


if TYPE_CHECKING:
    from ..targets.target import Target

Emit = Callable[..., ir.Value]


def row_addresses(
    builder: ir.IRBuilder, first: ir.Value, pitch: ir.Value, rows: int, across: int, turn: ir.Value | None
) -> list[ir.Value]:
    """Of rows that are `pitch` bytes apart, `turn` bytes from the last of each `across` rows to the next."""
    found = [first]
    for row in range(1, rows):
        found.append(builder.add(found[-1], pitch if row % across or turn is None else turn))
    return found


def read_addresses(
    builder: ir.IRBuilder, target: Target, first: ir.Value, pitch: ir.Value, rows: int, across: int, turn: ir.Value
) -> list[ir.Value]:
    """As `row_addresses`, for the rows that a loop reads in every step.

    On x86, whose loads add two registers, one of them doubled: the distance to every third row is a number that LLVM
    sees nothing of, as it computes each row's address from the one before otherwise, an instruction each. (With the
    many rows of AVX512 that takes more registers than there are.)
    """
    if target.family != "x86" or target.vector_registers > 16 or rows <= GROUPED:
        return row_addresses(builder, first, pitch, rows, across, turn)
    kind = ir.IntType(64)
    distances = row_addresses(builder, ir.Constant(kind, 0), pitch, rows, across, turn)
    found = [first]
    for row in range(1, rows):
        group = row // 3 * 3
        if row == group:
            found.append(builder.add(first, unseen(builder, distances[row])))
        else:
            found.append(builder.add(found[group], builder.sub(distances[row], distances[group])))
    return found


def unseen(builder: ir.IRBuilder, value: ir.Value) -> ir.Value:
    """The same value, of which LLVM does not know how it came about (x86)."""
    register = "x" if isinstance(value.type, ir.VectorType) else "r"
    return builder.asm(ir.FunctionType(value.type, [value.type]), "", f"={register},0", [value], False)


def prefetch(builder: ir.IRBuilder, address: ir.Value) -> None:
    """Asks the second cache for the line at an address, which may be anywhere."""
    read, second, data = (ir.IntType(32)(number) for number in (0, 2, 1))
    call_llvm(builder, "llvm.prefetch.p0", ir.VoidType(), pointer(builder, address, ir.IntType(8)), read, second, data)


def primitive(result: Callable[..., types.Type], emit: Emit) -> Any:
    """An intrinsic usable in kernels. result(*argument types) is its type; emit(builder, context, types, *values)
    makes its LLVM IR."""

    def call(typing_context: Any, *arguments: types.Type) -> Any:
        def generate(context: Any, builder: ir.IRBuilder, sig: Any, values: Any) -> ir.Value:
            return emit(builder, context, sig.args, *values)

        return signature(result(*arguments), *arguments), generate

    # numba reads the number of parameters off the signature; a true *arguments would arrive as a tuple.
    named = list(inspect.signature(result).parameters.values())
    first = inspect.Parameter("typing_context", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    call.__signature__ = inspect.Signature([first, *named])  # type: ignore[attr-defined]
    return intrinsic(call)


def call_llvm(
    builder: ir.IRBuilder, name: str, result: ir.Type, *values: ir.Value, fastmath: tuple[str, ...] = ()
) -> ir.Value:
    """A call of an LLVM intrinsic by its full name."""
    function = builder.module.globals.get(name)
    if function is None:
        function = ir.Function(builder.module, ir.FunctionType(result, [v.type for v in values]), name=name)
    return builder.call(function, values, fastmath=fastmath)


def pointer(builder: ir.IRBuilder, address: ir.Value, kind: ir.Type) -> ir.Value:
    return builder.inttoptr(address, kind.as_pointer())


def splat(builder: ir.IRBuilder, value: ir.Value, lanes: int) -> ir.Value:
    vector = ir.VectorType(value.type, lanes)
    first = builder.insert_element(ir.Constant(vector, ir.Undefined), value, ir.IntType(32)(0))
    return builder.shuffle_vector(first, first, ir.Constant(ir.VectorType(ir.IntType(32), lanes), [0] * lanes))


def shuffle(builder: ir.IRBuilder, a: ir.Value, b: ir.Value, indices: list[int]) -> ir.Value:
    return builder.shuffle_vector(a, b, ir.Constant(ir.VectorType(ir.IntType(32), len(indices)), indices))


def load_at(builder: ir.IRBuilder, address: ir.Value, kind: ir.Type) -> ir.Value:
    return builder.load(pointer(builder, address, kind), align=1)


def store_at(builder: ir.IRBuilder, value: ir.Value, address: ir.Value) -> None:
    builder.store(value, pointer(builder, address, value.type), align=1)


def multiply_add(b: ir.IRBuilder, target: Target, x: ir.Value, y: ir.Value, z: ir.Value) -> ir.Value:
    """x * y + z on float32 vectors: rounded once where the target can, twice where llvm.fma would call libm."""
    if target.fma:
        return call_llvm(b, f"llvm.fma.v{x.type.count}f32", x.type, x, y, z)
    return b.fadd(b.fmul(x, y), z)


def _binary(symbol: Any, float_op: str | None, int_op: str | None) -> None:
    @infer_global(symbol)
    class _Typing(AbstractTemplate):
        def generic(self, args: Any, kws: Any) -> Any:
            if len(args) == 2 and isinstance(args[0], Vector) and args[0] == args[1]:
                name = float_op if args[0].is_float else int_op
                return signature(args[0], *args) if name else None
            return None

    @lower_builtin(symbol, Vector, Vector)
    def lower(context: Any, builder: ir.IRBuilder, sig: Any, values: Any) -> ir.Value:
        name = float_op if sig.args[0].is_float else int_op
        return getattr(builder, name)(*values)  # type: ignore[arg-type]


for _symbol, _float, _int in [
    (operator.add, "fadd", "add"),
    (operator.sub, "fsub", "sub"),
    (operator.mul, "fmul", "mul"),
    (operator.truediv, "fdiv", None),
    (operator.and_, None, "and_"),
    (operator.or_, None, "or_"),
    (operator.xor, None, "xor"),
    (operator.lshift, None, "shl"),
    (operator.rshift, None, "ashr"),
]:
    _binary(_symbol, _float, _int)


def one_address(b: ir.IRBuilder, target: Target, x: ir.Value) -> ir.Value:
    """An address in a loop to which offsets are added that the loop does not change. On x86, whose instructions add
    such themselves, LLVM is told nothing of it: else it counts up a number of its own for each offset."""
    if target.family != "x86":
        return x
    kind = ir.FunctionType(x.type, [x.type])
    return b.call(ir.InlineAsm(kind, "", "=r,0"), [x])
