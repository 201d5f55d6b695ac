"""Elementwise functions of one tensor, with their attributes; on int8 tensors they are tables of 256 entries."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from . import integer
from . import unary_functions as f
from .checks import FLOATS, NUMBERS, broadcast, require_kind, same_dtype
from .registry import Context, Inferred, Op, register


def infer_floats(ctx: Context) -> list[Inferred]:
    return [(ctx.input(0).shape, require_kind(ctx, ctx.input(0), FLOATS))]


def infer_numbers(ctx: Context) -> list[Inferred]:
    return [(ctx.input(0).shape, require_kind(ctx, ctx.input(0), NUMBERS))]


def table_lookup(reference: Callable[..., np.ndarray]) -> Callable[..., np.ndarray]:
    """Quantized implementation of an elementwise reference: int8 in, int8 out, both per tensor."""

    def quantized(ctx: Context, x: np.ndarray, *rest: np.ndarray | None) -> np.ndarray:
        table = table_of(ctx, reference, *rest)
        return NotImplemented if table is None else table[x.astype(np.int64) + 128]

    return quantized


def table_of(ctx: Context, reference: Callable[..., np.ndarray], *rest: np.ndarray | None) -> np.ndarray | None:
    """The node's int8 outputs for inputs -128..127; None where it does not map one int8 tensor to another."""
    x, y = ctx.input(0), ctx.outputs[0]
    if x.quant is None or y.quant is None or x.quant.scale.size > 1 or (x.dtype, y.dtype) != (np.int8, np.int8):
        return None
    return integer.unary_table(lambda real: reference(real, *rest, **ctx.attrs), x.quant, y.quant)


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


# NumPy's own functions take `out`, `where` and the like, which are no attributes.
def plain(function: Callable[[np.ndarray], np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
    def reference(x: np.ndarray) -> np.ndarray:
        return function(x)

    return reference


FLOAT_FUNCTIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "Relu6": f.relu6,
    "ReluN1To1": f.relu_n1_to_1,
    "HardSwish": f.hard_swish,
    "Sigmoid": f.sigmoid,
    "Tanh": np.tanh,
    "Softplus": f.softplus,
    "Softsign": f.softsign,
    "Mish": f.mish,
    "Erf": f.erf,
    "Reciprocal": f.reciprocal,
    "Exp": np.exp,
    "Log": np.log,
    "Sqrt": np.sqrt,
    "Floor": np.floor,
    "Ceil": np.ceil,
    "Round": np.rint,
    "Sin": np.sin,
    "Cos": np.cos,
    "Tan": np.tan,
    "Asin": np.arcsin,
    "Acos": np.arccos,
    "Atan": np.arctan,
    "Sinh": np.sinh,
    "Cosh": np.cosh,
    "Asinh": np.arcsinh,
    "Acosh": np.arccosh,
    "Atanh": np.arctanh,
}

NUMBER_FUNCTIONS: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "Relu": f.relu,
    "Abs": np.abs,
    "Neg": np.negative,
    "Sign": np.sign,
}

PARAMETRIC: dict[str, Callable[..., np.ndarray]] = {
    "LeakyRelu": leaky_relu,
    "HardSigmoid": hard_sigmoid,
    "SiLU": silu,
    "Elu": elu,
    "Selu": selu,
    "Celu": celu,
    "ThresholdedRelu": thresholded_relu,
}


def register_all() -> None:
    for functions, infer in ((FLOAT_FUNCTIONS, infer_floats), (NUMBER_FUNCTIONS, infer_numbers)):
        for name, function in functions.items():
            reference = plain(function)
            register(Op(name, reference, infer, quantized=table_lookup(reference)))
    for name, reference in PARAMETRIC.items():
        register(Op(name, reference, infer_floats, quantized=table_lookup(reference)))
    register(Op("Gelu", gelu, infer_gelu, quantized=table_lookup(gelu)))
    register(Op("Clip", clip, infer_clip, quantized=table_lookup(clip)))
    register(Op("PRelu", prelu, infer_prelu))


register_all()
