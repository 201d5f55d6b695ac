"""The operations that reductions are made of, as LLVM IR on vectors.

operation: "sum", "max" or "min" of any element; of float32 also "product", "sum_square" and "sum_abs". element: "f32",
or "i8" (signed) or "u8" bytes. Extremes of float32 are NaN where any element is.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from llvmlite import ir

from .vector import call_llvm

if TYPE_CHECKING:
    from ..targets.target import Target


def identity(operation: str, element: str) -> float | int:
    """What reducing nothing gives."""
    if operation == "product":
        return 1.0
    if operation not in ("max", "min"):
        return 0
    low = operation == "max"
    if element == "f32":
        return float("-inf") if low else float("inf")
    if element == "u8":
        return 0 if low else 255
    return -128 if low else 127


def prepare(b: ir.IRBuilder, operation: str, value: ir.Value) -> ir.Value:
    """What of an element is reduced: a vector of its squares, magnitudes or itself."""
    if operation == "sum_square":
        return b.fmul(value, value)
    if operation == "sum_abs":
        return call_llvm(b, f"llvm.fabs.v{value.type.count}f32", value.type, value)
    return value


def combine(b: ir.IRBuilder, operation: str, element: str, x: ir.Value, y: ir.Value) -> ir.Value:
    """Two vectors of prepared elements or of partial results to one."""
    if operation in ("max", "min"):
        lanes = x.type.count
        if element == "f32":
            # "maximum" keeps NaN; which zero wins is of no concern (nsz), and dear on x86.
            return call_llvm(b, f"llvm.{operation}imum.v{lanes}f32", x.type, x, y, fastmath=("nsz",))
        sign = "s" if element == "i8" else "u"
        return call_llvm(b, f"llvm.{sign}{operation}.v{lanes}i8", x.type, x, y)
    if operation == "product":
        return b.fmul(x, y)
    return b.fadd(x, y) if element == "f32" else b.add(x, y)


def combine_all(b: ir.IRBuilder, target: Target, operation: str, element: str, values: list[ir.Value]) -> ir.Value:
    """Prepared elements to one vector, pairwise, so that few operations wait for each other."""
    if element != "f32" or operation not in ("max", "min") or target.family == "arm" or len(values) < 3:
        return _tree(values, lambda x, y: combine(b, operation, element, x, y))
    # maxps and minps drop a NaN on the left; looking for one apart, two elements at a time, is cheaper than keeping it.
    order = ">" if operation == "max" else "<"
    found = _tree(values, lambda x, y: b.select(b.fcmp_ordered(order, x, y), x, y))
    ordered = [b.fcmp_ordered("ord", x, y) for x, y in zip(values[::2], (values[1:] + values[-1:])[::2], strict=True)]
    sound = ordered[0]
    for other in ordered[1:]:
        sound = b.and_(sound, other)
    return b.select(sound, found, ir.Constant(found.type, [ir.FloatType()(float("nan"))] * found.type.count))


def _tree(values: list[ir.Value], join: Callable[[ir.Value, ir.Value], ir.Value]) -> ir.Value:
    while len(values) > 1:
        pairs = [join(x, y) for x, y in zip(values[::2], values[1::2], strict=False)]
        values = pairs + values[len(values) & ~1 :]
    return values[0]
