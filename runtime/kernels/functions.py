"""One vector function per elementwise operator, on Traced float32 vectors, for kernels of their own and for epilogues.

Parameters of a function are vectors too, whose numbers a kernel is given (lowering/function_form.py).
They follow ops/unary_functions.py, also in where NaN propagates; and infinities give what the formulas there give.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable

from ..simd.traced import Traced, VectorFunction, fma, maximum, minimum, quotient, where
from . import transcendental as t

Function = Callable[..., Traced]

SIGN_BIT, LEAST_NORMAL = -(1 << 31), 0x00800000
"""Of float32: the sign, and the bits of the smallest number that is not denormal."""


def leaky_relu(x: Traced, alpha: Traced) -> Traced:
    return where(x.compare("<", 0.0), x * alpha, x)


def hard_sigmoid(x: Traced, alpha: Traced, beta: Traced) -> Traced:
    return t.clip(fma(x, alpha, beta), 0.0, 1.0)


def silu(x: Traced) -> Traced:
    """4 ulp; what is nearer to zero than 4e-37 may become zero."""
    return t.logistic(x, x)


def silu_scaled(x: Traced, alpha: Traced) -> Traced:
    return t.logistic(x * alpha, x)


def gelu_tanh(x: Traced) -> Traced:
    """The approximation by tanh. Absolute error 2e-7 * |x|."""
    double = 2 * math.sqrt(2 / math.pi)
    return t.logistic(x * fma(x * x, double * 0.044715, double), x)


def gelu(x: Traced) -> Traced:
    """Absolute error 2e-7 * |x|."""
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


def elu(x: Traced, alpha: Traced) -> Traced:
    return where(x.compare("<", 0.0), t.expm1(x) * alpha, x)


def selu(x: Traced, product: Traced, gamma: Traced) -> Traced:
    """product: alpha * gamma."""
    return where(x.compare("<", 0.0), t.expm1(x) * product, x * gamma)


def celu(x: Traced, inverse: Traced, alpha: Traced) -> Traced:
    """inverse: 1 / alpha; alpha > 0."""
    return where(x.compare("<", 0.0), t.expm1(x * inverse) * alpha, x)


def thresholded_relu(x: Traced, alpha: Traced) -> Traced:
    """0 for NaN, too."""
    return where(x.compare(">", alpha), x, 0.0)


def shrink(x: Traced, bias: Traced, lambd: Traced) -> Traced:
    return where(x.compare("<", -lambd), x + bias, where(x.compare(">", lambd), x - bias, 0.0))


def sign(x: Traced) -> Traced:
    """Of denormal numbers, too, which comparisons of floats take for zero; LLVM makes such a comparison of whether all
    bits but the sign are zero, so that is not what is asked."""
    bits = x.bits()
    known = where(bits.compare(">", 0), 1.0, where((bits ^ SIGN_BIT).compare(">", 0), -1.0, x))
    return where(x.compare("==", x), known, x)


def floor(x: Traced) -> Traced:
    """-1 of negative denormal numbers, which rounding takes for zero."""
    magnitude = x.bits() ^ SIGN_BIT
    return where(magnitude.compare(">", 0) & magnitude.compare("<", LEAST_NORMAL), -1.0, x.llvm("floor"))


def ceil(x: Traced) -> Traced:
    """1 of positive denormal numbers."""
    bits = x.bits()
    return where(bits.compare(">", 0) & bits.compare("<", LEAST_NORMAL), 1.0, x.llvm("ceil"))


def _affine(function: Function) -> Function:
    return lambda x, scale, offset: function(x) * scale + offset


def _llvm(name: str) -> Function:
    return lambda x: x.llvm(name)


FUNCTIONS: dict[str, Function] = {
    "Relu": lambda x: maximum(x, 0.0),
    "Relu6": lambda x: t.clip(x, 0.0, 6.0),
    "ReluN1To1": lambda x: t.clip(x, -1.0, 1.0),
    "Clip": lambda x, low, high: t.clip(x, low, high),
    "LeakyRelu": leaky_relu,
    "HardSigmoid": hard_sigmoid,
    "HardSwish": lambda x: x * t.clip(fma(x, 1.0 / 6.0, 0.5), 0.0, 1.0),
    "Sigmoid": t.logistic,
    "Tanh": t.tanh,
    "Gelu": gelu,
    "GeluTanh": gelu_tanh,
    "SiLU": silu,
    "SiLUScaled": silu_scaled,
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
    "Floor": floor,
    "Ceil": ceil,
    "Round": _llvm("roundeven"),
    "Square": lambda x: x * x,
    "Cube": lambda x: x * x * x,
}
FUNCTIONS |= {
    "Affine": _affine(lambda x: x),
    **{
        f"{name}Affine": _affine(FUNCTIONS[name])
        for name in ("Relu", "HardSwish", "Sigmoid", "Tanh", "SiLU", "Softplus")
    },
}
"""Operators by name; Square and Cube are x ** 2 and x ** 3, GeluTanh and SiLUScaled forms of Gelu and SiLU. Those that
end in Affine are ops/activation.py's."""

BINARY: dict[str, Function] = {
    "Add": lambda a, b: a + b,
    "Sub": lambda a, b: a - b,
    "Mul": lambda a, b: a * b,
    "Div": lambda a, b: a / b,
    "Min": lambda a, b: where(b.compare("==", b), minimum(a, b), b),
    "Max": lambda a, b: where(b.compare("==", b), maximum(a, b), b),
    "PRelu": lambda x, slope: where(x.compare("<", 0.0), x * slope, x),
}


def bind(name: str | None) -> VectorFunction:
    """The named function; None is the identity."""
    if name is None:
        return VectorFunction(lambda x: x, 0)
    function = FUNCTIONS[name]
    operands = [p for p in inspect.signature(function).parameters.values() if p.default is p.empty]
    return VectorFunction(function, len(operands) - 1)
