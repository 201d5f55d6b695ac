"""Elementwise functions of one tensor, with their attributes; on int8 tensors they are tables of 256 entries."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from . import unary_functions as f
from .checks import NUMBERS, broadcast, require_kind, same_dtype
from .elementwise import CHEAP, COSTLY, by_table, infer_floats, infer_numbers
from .registry import Context, Infer, Inferred, Op, register


def leaky_relu(x: np.ndarray, *, alpha: float = 0.01) -> np.ndarray:
    return f.leaky_relu(x, alpha)


def hard_sigmoid(x: np.ndarray, *, alpha: float = 0.2, beta: float = 0.5) -> np.ndarray:
    return f.hard_sigmoid(x, alpha, beta)


def gelu(x: np.ndarray, *, approximate: str = "none") -> np.ndarray:
    """approximate: "none" or "tanh"."""
    return f.gelu(x, approximate == "tanh")


def infer_gelu(ctx: Context) -> list[Inferred]:
    if ctx.attrs["approximate"] not in ("none", "tanh"):
        raise ctx.error(f"approximate is '{ctx.attrs['approximate']}', neither 'none' nor 'tanh'")
    return infer_floats(ctx)


def silu(x: np.ndarray, *, alpha: float = 1.0) -> np.ndarray:
    """x * sigmoid(alpha * x)."""
    return f.silu(x, alpha)


def elu(x: np.ndarray, *, alpha: float = 1.0) -> np.ndarray:
    return f.elu(x, alpha)


def selu(x: np.ndarray, *, alpha: float = f.SELU_ALPHA, gamma: float = f.SELU_GAMMA) -> np.ndarray:
    return f.selu(x, alpha, gamma)


def celu(x: np.ndarray, *, alpha: float = 1.0) -> np.ndarray:
    return f.celu(x, alpha)


def thresholded_relu(x: np.ndarray, *, alpha: float = 1.0) -> np.ndarray:
    return f.thresholded_relu(x, alpha)


def clip(x: np.ndarray, min: np.ndarray | None = None, max: np.ndarray | None = None) -> np.ndarray:
    """min and max are scalars in the units of x; where min > max, the result is max."""
    return f.clip(x, min, max)


def infer_clip(ctx: Context) -> list[Inferred]:
    x = ctx.input(0)
    for bound in (ctx.optional(1), ctx.optional(2)):
        if bound is None:
            continue
        if bound.size != 1 or len(bound.shape) > 1:
            raise ctx.error(f"bound '{bound.name}' of shape {bound.shape} is not a scalar")
        if x.quant is None:
            same_dtype(ctx, [x, bound])
    return [(x.shape, require_kind(ctx, x, NUMBERS))]


def prelu(x: np.ndarray, slope: np.ndarray) -> np.ndarray:
    """slope broadcasts to x's shape."""
    return np.where(x < 0, x * slope, x)


def infer_prelu(ctx: Context) -> list[Inferred]:
    x, slope = ctx.input(0), ctx.input(1)
    require_kind(ctx, x, NUMBERS)
    if broadcast(ctx, x.shape, slope.shape) != x.shape:
        raise ctx.error(f"slope of shape {slope.shape} does not broadcast to the input {x.shape}")
    if x.quant is None:
        same_dtype(ctx, [x, slope])
    return [(x.shape, x.dtype)]


def declare(
    name: str,
    function: Callable[..., np.ndarray],
    work: int | None = None,
    infer: Infer = infer_floats,
    non_negative: bool = False,
) -> None:
    quantized = by_table(function)
    register(Op(name, function, infer, quantized=quantized, work=work, elementwise=True, non_negative=non_negative))


def plain(function: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
    """A reference of NumPy's function, whose own `out`, `where` and the like are no attributes."""

    def reference(x: np.ndarray) -> np.ndarray:
        return function(x)

    return reference


declare("Relu", f.relu, CHEAP, infer_numbers, non_negative=True)
declare("Relu6", f.relu6, CHEAP, non_negative=True)
declare("ReluN1To1", f.relu_n1_to_1, CHEAP)
declare("LeakyRelu", leaky_relu, CHEAP)
declare("ThresholdedRelu", thresholded_relu, CHEAP)
declare("HardSigmoid", hard_sigmoid, CHEAP, non_negative=True)
declare("HardSwish", f.hard_swish, CHEAP)
declare("Clip", clip, CHEAP, infer_clip)
declare("Sigmoid", f.sigmoid, COSTLY, non_negative=True)
declare("Tanh", plain(np.tanh), COSTLY)
declare("Gelu", gelu, COSTLY, infer_gelu)
declare("SiLU", silu, COSTLY)
declare("Mish", f.mish, COSTLY)
declare("Elu", elu, COSTLY)
declare("Selu", selu, COSTLY)
declare("Celu", celu, COSTLY)
declare("Softplus", f.softplus, COSTLY, non_negative=True)
declare("Softsign", f.softsign, CHEAP)
declare("Erf", f.erf, COSTLY)
declare("Exp", plain(np.exp), COSTLY, non_negative=True)
declare("Log", plain(np.log), COSTLY)
declare("Sqrt", plain(np.sqrt), COSTLY, non_negative=True)
declare("Reciprocal", f.reciprocal, CHEAP)
declare("Abs", plain(np.abs), CHEAP, infer_numbers, non_negative=True)
declare("Neg", plain(np.negative), CHEAP, infer_numbers)
declare("Sign", plain(np.sign), CHEAP, infer_numbers)
declare("Floor", plain(np.floor), CHEAP)
declare("Ceil", plain(np.ceil), CHEAP)
declare("Round", plain(np.rint), CHEAP)
declare("Sin", plain(np.sin))
declare("Cos", plain(np.cos))
declare("Tan", plain(np.tan))
declare("Asin", plain(np.arcsin))
declare("Acos", plain(np.arccos))
declare("Atan", plain(np.arctan))
declare("Sinh", plain(np.sinh))
declare("Cosh", plain(np.cosh))
declare("Asinh", plain(np.arcsinh))
declare("Acosh", plain(np.arccosh))
declare("Atanh", plain(np.arctanh))
register(Op("PRelu", prelu, infer_prelu, broadcasts=True, keeps_shape=True))
