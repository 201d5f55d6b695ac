"""Comparisons, boolean operators and Where onto kernels/conditions.py."""

from __future__ import annotations

from ..kernels.conditions import BINARY, UNARY, compare, predicate, where
from ..ops.registry import Context, Tensor
from ..program.builder import Builder
from .registry import lowers
from .row_layout import OperandRows

WORK = 9
ELEMENTS = {"float32": "f32", "int32": "i32", "int64": "i64", "bool": "u8", "uint8": "u8", "int8": "i8"}


def _element(ctx: Context) -> str | None:
    """How the inputs' elements are read, where no scale says what they mean."""
    return None if ctx.quantized or not OperandRows.fit(ctx.outputs[0]) else ELEMENTS.get(ctx.input(0).dtype.name)


@lowers(*UNARY)
def unary(ctx: Context, b: Builder) -> bool:
    element = _element(ctx)
    if element is None:
        return False
    OperandRows(b, [b.input(0)], b.output()).call(predicate, {"function": ctx.node.op, "element": element}, WORK)
    return True


@lowers(*BINARY)
def binary(ctx: Context, b: Builder) -> bool:
    element = _element(ctx)
    if element is None:
        return False
    rows = OperandRows(b, [b.input(0), b.input(1)], b.output())
    scalars = {"a_scalar": rows.scalars[0], "b_scalar": rows.scalars[1]}
    rows.call(compare, {"function": ctx.node.op, "element": element, **scalars}, WORK)
    return True


@lowers("Where")
def select(ctx: Context, b: Builder) -> bool:
    """Of any elements of 4 or 8 bytes."""
    y = ctx.outputs[0]
    element = {4: "i32", 8: "i64"}.get(y.dtype.itemsize)
    if element is None or not OperandRows.fit(y) or any(_scale_differs(ctx.input(i), y) for i in (1, 2)):
        return False
    rows = OperandRows(b, [b.input(0), b.input(1), b.input(2)], b.output())
    scalars = dict(zip(("a_scalar", "b_scalar", "c_scalar"), rows.scalars, strict=True))
    rows.call(where, {"element": element, **scalars}, WORK)
    return True


def _scale_differs(x: Tensor, y: Tensor) -> bool:
    return x.quant != y.quant
