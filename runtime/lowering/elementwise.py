"""float32 elementwise operators onto kernels/elementwise.py."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from ..kernels.elementwise import binary_f32, unary_f32
from ..ops.registry import Context
from ..program.builder import Builder
from ..program.view import View
from . import quantized_elementwise
from .registry import lowers
from .row_layout import Rows

Params = Callable[[Context], "Sequence[float] | None"]

CHEAP_WORK, COSTLY_WORK, BINARY_WORK = 6, 40, 9
"""Multiply-adds that take as long as one element."""


def _attributes(*names: str) -> Params:
    return lambda ctx: [float(ctx.attrs[name]) for name in names]


def _gelu(ctx: Context) -> Sequence[float]:
    return [float(ctx.attrs["approximate"] == "tanh")]


def _celu(ctx: Context) -> Sequence[float] | None:
    return [float(ctx.attrs["alpha"])] if ctx.attrs["alpha"] > 0 else None


def _clip(ctx: Context) -> Sequence[float] | None:
    bounds = []
    for index, absent in ((1, -np.inf), (2, np.inf)):
        tensor = ctx.optional(index)
        if tensor is not None and (tensor.data is None or np.isnan(tensor.data).any()):
            return None
        bounds.append(absent if tensor is None or tensor.data is None else float(tensor.data.reshape(())))
    return bounds


PARAMS: dict[str, Params] = {
    "LeakyRelu": _attributes("alpha"),
    "HardSigmoid": _attributes("alpha", "beta"),
    "SiLU": _attributes("alpha"),
    "Elu": _attributes("alpha"),
    "Selu": _attributes("alpha", "gamma"),
    "ThresholdedRelu": _attributes("alpha"),
    "Celu": _celu,
    "Gelu": _gelu,
    "Clip": _clip,
}
"""How an operator's attributes become its function's parameters; None where no kernel serves them."""

COSTLY = frozenset(
    {"Sigmoid", "Tanh", "Gelu", "SiLU", "Softplus", "Mish", "Elu", "Selu", "Celu", "Erf", "Exp", "Log", "Sqrt"}
)

POWERS = {1.0: None, 2.0: "Square", 3.0: "Cube", 0.5: "Sqrt", -1.0: "Reciprocal"}
"""Exponents that are cheaper than a power, and their functions."""


def is_float(ctx: Context) -> bool:
    tensors = [t for t in (*ctx.inputs, *ctx.outputs) if t is not None]
    return all(t.dtype == np.float32 and t.quant is None for t in tensors) and Rows.fit(ctx.outputs[0])


@lowers(
    "Relu", "Relu6", "ReluN1To1", "HardSwish", "Sigmoid", "Tanh", "Softplus", "Softsign", "Mish", "Erf", "Exp", "Log",
    "Sqrt", "Reciprocal", "Abs", "Neg", "Sign", "Floor", "Ceil", "Round", *PARAMS,
)  # fmt: skip
def unary(ctx: Context, b: Builder) -> bool:
    if ctx.quantized:
        return quantized_elementwise.table(ctx, b)
    params = PARAMS.get(ctx.node.op, lambda _: ())(ctx)
    if params is None or not is_float(ctx):
        return False
    emit_unary(b, ctx.node.op, b.input(0), b.output(), params)
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
    activation, params = ctx.attrs.get("activation"), ctx.attrs.get("activation_params", ())
    emit_binary(b, ctx.node.op, b.input(0), b.input(1), b.output(), activation, params)
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
    """y = function(x), an entry of kernels.functions.FUNCTIONS."""
    work = COSTLY_WORK if function in COSTLY else CHEAP_WORK
    Rows(b, [x], y).call(unary_f32, {"function": function, "params": tuple(params)}, ["x"], work)


def emit_binary(
    b: Builder,
    function: str,
    left: View,
    right: View,
    y: View,
    activation: str | None = None,
    params: Sequence[float] = (),
) -> None:
    """y = activation(function(left, right)), an entry of kernels.functions.BINARY; the operands broadcast to y."""
    rows = Rows(b, [left, right], y)
    constants = {
        "function": function, "a_scalar": rows.scalars[0], "b_scalar": rows.scalars[1],
        "activation": activation, "params": tuple(float(p) for p in params),
    }  # fmt: skip
    work = BINARY_WORK + (COSTLY_WORK if activation in COSTLY else 0)
    rows.call(binary_f32, constants, ["a", "b"], work)
