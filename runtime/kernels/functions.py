"""One vector function per elementwise operator, on Traced float32 vectors, for kernels of their own and for epilogues.

They follow ops/unary_functions.py: NaN propagates, and infinities give what the formulas there give.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from ..simd.traced import Traced, fma, maximum, minimum, quotient, where
from . import transcendental as t

Function = Callable[..., Traced]


def leaky_relu(x: Traced, alpha: float = 0.01) -> Traced:
    return where(x.compare("<", 0.0), x * alpha, x)


def hard_sigmoid(x: Traced, alpha: float = 0.2, beta: float = 0.5) -> Traced:
    return t.clip(fma(x, alpha, beta), 0.0, 1.0)


def silu(x: Traced, alpha: float = 1.0) -> Traced:
    """4 ulp; what is nearer to zero than 4e-37 may become zero."""
    return t.logistic(x if alpha == 1.0 else x * alpha, x)


def gelu(x: Traced, tanh: float = 0.0) -> Traced:
    """tanh: whether by the approximation that is named after it. Absolute error 2e-7 * |x|."""
    if tanh:
        double = 2 * math.sqrt(2 / math.pi)
        return t.logistic(x * fma(x * x, double * 0.044715, double), x)
    half = x * 0.5
    return fma(half, t.erf(x * math.sqrt(0.5)), half)


def softplus(x: Traced) -> Traced:
    near, power = t.exponential(x.llvm("fabs"), -1)
    return maximum(x, 0.0) + t.log1p(near * power)


def mish(x: Traced) -> Traced:
    """x * tanh(ln(1 + e^x)), which is x * n / (n + 2) with n = e^x * (e^x + 2)."""
    near, power = t.exponential(minimum(x, 20.0))
    e = near * power
    n = fma(e, e, e + e)
    return x * quotient(n, n + 2.0)


def elu(x: Traced, alpha: float = 1.0) -> Traced:
    return where(x.compare("<", 0.0), t.expm1(x) * alpha, x)


def selu(x: Traced, alpha: float, gamma: float) -> Traced:
    return where(x.compare("<", 0.0), t.expm1(x) * (alpha * gamma), x * gamma)


def celu(x: Traced, alpha: float = 1.0) -> Traced:
    """alpha > 0."""
    return where(x.compare("<", 0.0), t.expm1(x if alpha == 1.0 else x * (1.0 / alpha)) * alpha, x)


def thresholded_relu(x: Traced, alpha: float = 1.0) -> Traced:
    return where(x.compare("<=", alpha), 0.0, x)


def shrink(x: Traced, bias: float = 0.0, lambd: float = 0.5) -> Traced:
    return where(x.compare("<", -lambd), x + bias, where(x.compare(">", lambd), x - bias, 0.0))


def sign(x: Traced) -> Traced:
    return where(x.compare(">", 0.0), 1.0, where(x.compare("<", 0.0), -1.0, x))


def _llvm(name: str) -> Function:
    return lambda x: x.llvm(name)


FUNCTIONS: dict[str, Function] = {
    "Relu": lambda x: maximum(x, 0.0),
    "Relu6": lambda x: t.clip(x, 0.0, 6.0),
    "ReluN1To1": lambda x: t.clip(x, -1.0, 1.0),
    "Clip": t.clip,
    "LeakyRelu": leaky_relu,
    "HardSigmoid": hard_sigmoid,
    "HardSwish": lambda x: x * t.clip(fma(x, 1.0 / 6.0, 0.5), 0.0, 1.0),
    "Sigmoid": t.logistic,
    "Tanh": t.tanh,
    "Gelu": gelu,
    "SiLU": silu,
    "Softplus": softplus,
    "Softsign": lambda x: x / (x.llvm("fabs") + 1.0),
    "Mish": mish,
    "Elu": elu,
    "Selu": selu,
    "Celu": celu,
    "ThresholdedRelu": thresholded_relu,
    "Shrink": shrink,
    "Erf": t.erf,
    "Exp": t.exp,
    "Log": t.log,
    "Sqrt": _llvm("sqrt"),
    "Reciprocal": lambda x: 1.0 / x,
    "Abs": _llvm("fabs"),
    "Neg": lambda x: -x,
    "Sign": sign,
    "Floor": _llvm("floor"),
    "Ceil": _llvm("ceil"),
    "Round": _llvm("roundeven"),
    "Square": lambda x: x * x,
    "Cube": lambda x: x * x * x,
}
"""Operators by name; Square and Cube are x ** 2 and x ** 3."""

BINARY: dict[str, Function] = {
    "Add": lambda a, b: a + b,
    "Sub": lambda a, b: a - b,
    "Mul": lambda a, b: a * b,
    "Div": lambda a, b: a / b,
    "Min": lambda a, b: where(b.compare("==", b), minimum(a, b), b),
    "Max": lambda a, b: where(b.compare("==", b), maximum(a, b), b),
    "PRelu": lambda x, slope: where(x.compare("<", 0.0), x * slope, x),
}


def bind(name: str | None, params: Sequence[float]) -> Function:
    """The named function with its parameters filled in; None is the identity."""
    if name is None:
        return lambda x: x
    function = FUNCTIONS[name]
    return lambda x: function(x, *params)
