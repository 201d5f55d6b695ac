"""float32 elementwise operators onto kernels/elementwise.py."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..kernels.elementwise import binary_f32, unary_f32
from ..ops import activation
from ..ops.elementwise import CHEAP, COSTLY
from ..ops.registry import Context, find
from ..program.builder import Builder
from ..program.view import View
from . import quantized_elementwise
from .function_form import function_form
from .registry import lowers
from .row_layout import OperandRows

Params = Callable[[Context], "Sequence[float] | None"]

BINARY_WORK = 9
"""Multiply-adds that take as long as one element."""

POWERS = {1.0: None, 2.0: "Square", 3.0: "Cube", 0.5: "Sqrt", -1.0: "Reciprocal"}
"""Exponents that are cheaper than a power, and their functions."""


def _celu(ctx: Context) -> Sequence[float] | None:
    return activation.numbers(ctx.attrs) if ctx.attrs["alpha"] > 0 else None


def _clip(ctx: Context) -> Sequence[float] | None:
    bounds = []
    for index, absent in ((1, -np.inf), (2, np.inf)):
        tensor = ctx.optional(index)
        if tensor is not None and (tensor.data is None or np.isnan(tensor.data).any()):
            return None
        bounds.append(absent if tensor is None or tensor.data is None else float(tensor.data.reshape(())))
    return bounds


PARAMS: dict[str, Params] = {"Celu": _celu, "Clip": _clip}
"""A function's parameters, where they are not simply the operator's attributes; None where no kernel serves them."""


def is_float(ctx: Context) -> bool:
    for tensor in (*ctx.inputs, *ctx.outputs):
        if tensor is not None and (tensor.dtype != np.float32 or tensor.quant is not None):
            return False
    return OperandRows.fit(ctx.outputs[0])


@lowers(where=lambda op: op.elementwise and op.quantized is not None)
def unary(ctx: Context, b: Builder) -> bool:
    """Of int8 tensors any function; of floats those of kernels/functions.py."""
    name = ctx.node.op
    if ctx.quantized:
        return quantized_elementwise.table(ctx, b)
    op = find(name)
    if op is None or op.work is None or not is_float(ctx):
        return False
    params = PARAMS[name](ctx) if name in PARAMS else activation.numbers(ctx.attrs)
    if params is None:
        return False
    emit_unary(b, name, b.input(0), b.output(), params)
    return True


@lowers("Pow")
def power(ctx: Context, b: Builder) -> bool:
    exponent = ctx.input(1)
    if exponent.data is None or exponent.size != 1 or ctx.input(0).shape != ctx.outputs[0].shape or not is_float(ctx):
        return False
    value = float(exponent.data.reshape(()))
    if value not in POWERS:
        return False
    name = POWERS[value]
    if name is None:
        b.alias(b.input(0))
    else:
        emit_unary(b, name, b.input(0), b.output())
    return True


@lowers("Add", "Sub", "Mul", "Div", "PRelu")
def binary(ctx: Context, b: Builder) -> bool:
    if ctx.quantized:
        return quantized_elementwise.binary(ctx, b)
    if not is_float(ctx):
        return False
    after, params = ctx.attrs.get("activation"), ctx.attrs.get("activation_params", ())
    emit_binary(b, ctx.node.op, b.input(0), b.input(1), b.output(), after, params)
    return True


@lowers("Min", "Max")
def extreme(ctx: Context, b: Builder) -> bool:
    """Of any number of tensors: the first two, then their result and each of the others."""
    if not is_float(ctx):
        return False
    if len(ctx.inputs) == 1:
        b.alias(b.input(0))
        return True
    result = b.input(0)
    for index in range(1, len(ctx.inputs)):
        last = index == len(ctx.inputs) - 1
        other = b.input(index)
        y = b.output() if last else b.temporary(np.broadcast_shapes(result.shape, other.shape), np.float32)
        emit_binary(b, ctx.node.op, result, other, y)
        result = y
    return True


def emit_unary(b: Builder, function: str, x: View, y: View, params: Sequence[float] = ()) -> None:
    """y = function(x): an operator by name, with its parameters, or another entry of kernels.functions.FUNCTIONS."""
    work = COSTLY if is_costly(function) else CHEAP
    form = function_form(function, params)
    OperandRows(b, [x], y).call(unary_f32, {"function": form.function}, work, form.place(b))


def emit_binary(
    b: Builder,
    function: str,
    left: View,
    right: View,
    y: View,
    after: str | None = None,
    params: Sequence[float] = (),
) -> None:
    """y = after(function(left, right)), function an entry of kernels.functions.BINARY; the operands broadcast to y."""
    rows = OperandRows(b, [left, right], y)
    form = function_form(after, params)
    constants = {
        "function": function, "a_scalar": rows.scalars[0], "b_scalar": rows.scalars[1], "activation": form.function,
    }  # fmt: skip
    rows.call(binary_f32, constants, BINARY_WORK + (COSTLY if is_costly(after) else 0), form.place(b))


def is_costly(function: str | None) -> bool:
    """Whether an operator's function takes much longer than an addition."""
    op = None if function is None else find(function)
    return op is not None and op.work is not None and op.work > CHEAP
