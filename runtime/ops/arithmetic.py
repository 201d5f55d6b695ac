"""Add, Sub, Mul, Div, Pow, Mod, Min and Max with NumPy's broadcasting."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce

import numpy as np

from . import activation as act
from . import integer, quantized_node
from .checks import INTEGERS, NUMBERS, broadcast, infer_elementwise, require_kind
from .registry import Context, Inferred, Op, register


def fusing(function: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Callable[..., np.ndarray]:
    """The reference of a binary operator that takes a fused activation."""

    def reference(
        a: np.ndarray, b: np.ndarray, *, activation: str | None = None, activation_params: Sequence[float] = ()
    ) -> np.ndarray:
        y = act.apply(function(a, b), activation, activation_params)
        return y.astype(a.dtype, copy=False)

    return reference


def summing(function: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Callable[..., np.ndarray]:
    """Like `fusing`. real: whether quantized operands are summed as real numbers, as models mean it that are written in
    QuantizeLinear and DequantizeLinear, and not in LiteRT's fixed point."""
    fused = fusing(function)

    def reference(
        a: np.ndarray,
        b: np.ndarray,
        *,
        activation: str | None = None,
        activation_params: Sequence[float] = (),
        real: int = 0,
    ) -> np.ndarray:
        return fused(a, b, activation=activation, activation_params=activation_params)

    return reference


def quotient(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Integers are divided towards zero; an integer divided by zero gives 0."""
    if a.dtype.kind == "f":
        return a / b
    with np.errstate(divide="ignore"):
        floor = a // b
        inexact = (np.remainder(a, b) != 0) & ((a < 0) != (b < 0))
    return floor + inexact


def power(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a ** b in a's dtype; the exponent may have another one. An integer base is raised in float64, then truncated."""
    if a.dtype.kind == "f":
        return np.power(a, b.astype(a.dtype))
    if b.dtype.kind in INTEGERS and not (b < 0).any():
        return np.power(a, b).astype(a.dtype)
    return np.power(a.astype(np.float64), b.astype(np.float64)).astype(a.dtype)


def mod(a: np.ndarray, b: np.ndarray, *, fmod: int = 0) -> np.ndarray:
    """Remainder with the sign of b, or with fmod that of a, as in C; floats need fmod in ONNX but take both here."""
    with np.errstate(divide="ignore"):
        return np.fmod(a, b) if fmod else np.mod(a, b)


def minimum(first: np.ndarray, *others: np.ndarray) -> np.ndarray:
    return reduce(np.minimum, others, first)


def maximum(first: np.ndarray, *others: np.ndarray) -> np.ndarray:
    return reduce(np.maximum, others, first)


def quantized_add(ctx: Context, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return _fixed_point_sum(ctx, a, b, 1)


def quantized_sub(ctx: Context, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return _fixed_point_sum(ctx, a, b, -1)


def _fixed_point_sum(ctx: Context, a: np.ndarray, b: np.ndarray, sign: int) -> np.ndarray:
    qa, qb, target = ctx.input(0).quant, ctx.input(1).quant, quantized_node.output_range(ctx)
    if target is None or qa is None or qb is None or qa.scale.size > 1 or qb.scale.size > 1 or ctx.attrs["real"]:
        return NotImplemented
    qy, low, high = target
    parameters = integer.add_parameters(qa, qb, qy, sign)
    return integer.add(a, b, parameters, qy.zero_point[0], low, high).astype(ctx.outputs[0].dtype)


def quantized_mul(ctx: Context, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """(a - za) * (b - zb) by `integer.requantize` with scale a * b / y."""
    product = quantized_node.product(ctx)
    if product is None or product.scale.size > 1:
        return NotImplemented
    acc = integer.centred(a, product.x, np.int64) * integer.centred(b, product.w, np.int64)
    y = product.y
    return integer.requantize(acc, product.scale, y.zero_point[0], product.low, product.high, ctx.outputs[0].dtype)


def infer(ctx: Context) -> list[Inferred]:
    """Broadcast shape and the common dtype of all inputs."""
    found = infer_elementwise(ctx)
    require_kind(ctx, ctx.input(0), NUMBERS)
    if "activation" in ctx.attrs:
        act.check(ctx)
    return found


def infer_power(ctx: Context) -> list[Inferred]:
    a, b = ctx.input(0), ctx.input(1)
    require_kind(ctx, b, NUMBERS)
    return [(broadcast(ctx, a.shape, b.shape), require_kind(ctx, a, NUMBERS))]


register(Op("Add", summing(np.add), infer, quantized=quantized_add, broadcasts=True))
register(Op("Sub", summing(np.subtract), infer, quantized=quantized_sub, broadcasts=True))
register(Op("Mul", fusing(np.multiply), infer, quantized=quantized_mul, broadcasts=True))
register(Op("Div", fusing(quotient), infer, broadcasts=True))
register(Op("Pow", power, infer_power, broadcasts=True))
register(Op("Mod", mod, infer, broadcasts=True))
register(Op("Min", minimum, infer, broadcasts=True))
register(Op("Max", maximum, infer, broadcasts=True))
