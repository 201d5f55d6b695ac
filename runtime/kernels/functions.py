"""One vector function per elementwise operator, on Traced float32 vectors. Bounds are against float64.

exp: range reduction by ln 2 in two parts and a polynomial of degree 6 on [-ln2/2, ln2/2] (Cody & Waite 1980).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..compiler.traced import Traced, fma, maximum, minimum, where

Function = Callable[..., Traced]


def relu(x: Traced) -> Traced:
    return maximum(x, 0.0)


def clip(x: Traced, low: float, high: float) -> Traced:
    return minimum(maximum(x, low), high)


def leaky_relu(x: Traced, alpha: float) -> Traced:
    return where(x.compare("<", 0.0), x * alpha, x)


def hard_sigmoid(x: Traced, alpha: float, beta: float) -> Traced:
    return clip(x * alpha + beta, 0.0, 1.0)


def hard_swish(x: Traced) -> Traced:
    return x * clip(x * (1.0 / 6.0) + 0.5, 0.0, 1.0)


FUNCTIONS: dict[str, Function] = {
    "Relu": relu,
    "Relu6": lambda x: clip(x, 0.0, 6.0),
    "ReluN1To1": lambda x: clip(x, -1.0, 1.0),
    "Clip": clip,
    "LeakyRelu": leaky_relu,
    "HardSigmoid": hard_sigmoid,
    "HardSwish": hard_swish,
}


def bind(name: str | None, params: Sequence[float]) -> Function:
    """The named function with its parameters filled in; None is the identity."""
    if name is None:
        return lambda x: x
    function = FUNCTIONS[name]
    return lambda x: function(x, *params)


__all__ = ["FUNCTIONS", "bind", "fma"]
