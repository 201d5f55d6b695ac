"""The activation fused into an operator: attributes `activation` (a name or None) and `activation_params`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from ..graph import Attribute, Quantization
from . import unary_functions as f
from .integer import quantize
from .registry import Context


def _affine(function: Callable[[np.ndarray], np.ndarray]) -> Callable[..., np.ndarray]:
    def affine(x: np.ndarray, scale: float, offset: float) -> np.ndarray:
        y = function(x)
        return y * y.dtype.type(scale) + y.dtype.type(offset)

    return affine


FUNCTIONS: dict[str, Callable[..., np.ndarray]] = {
    "Relu": f.relu,
    "Relu6": f.relu6,
    "ReluN1To1": f.relu_n1_to_1,
    "Clip": f.clip,
    "LeakyRelu": f.leaky_relu,
    "HardSwish": f.hard_swish,
    "HardSigmoid": f.hard_sigmoid,
    "Sigmoid": f.sigmoid,
    "Tanh": np.tanh,
    "Gelu": f.gelu,
    "SiLU": f.silu,
    "Softplus": f.softplus,
}
"""What can be fused. activation_params: Clip min, max; LeakyRelu alpha; HardSigmoid alpha, beta; Gelu 0 or 1 (tanh)."""

AFFINE: dict[str, str | None] = {
    f"{name or ''}Affine": name for name in (None, "Relu", "HardSwish", "Sigmoid", "Tanh", "SiLU", "Softplus")
}
"""Those of no other parameters, or none at all, times one number plus another, each rounded: as nothing is computed
otherwise than by nodes of their own, they can be fused whatever the numbers are. activation_params: scale, offset."""
FUNCTIONS |= {affine: _affine(np.asarray if name is None else FUNCTIONS[name]) for affine, name in AFFINE.items()}

PARAMETERS = {
    "Clip": (2,), "LeakyRelu": (0, 1), "HardSigmoid": (0, 2), "Gelu": (0, 1), **dict.fromkeys(AFFINE, (2,)),
}  # fmt: skip
"""How many parameters those take that take any."""

CLAMPS: dict[str, Callable[..., tuple[float, float]]] = {
    "Relu": lambda: (0.0, np.inf),
    "Relu6": lambda: (0.0, 6.0),
    "ReluN1To1": lambda: (-1.0, 1.0),
    "Clip": lambda low, high: (float(low), float(high)),
}
"""Those that only clamp, and their range."""


def numbers(attrs: Mapping[str, Attribute]) -> list[float]:
    """An activation's attributes as its parameters, in the order in which its reference names them."""
    return [float(value == "tanh" if isinstance(value, str) else value) for value in attrs.values()]


def apply(x: np.ndarray, activation: str | None, params: Sequence[float] = ()) -> np.ndarray:
    return x if activation is None else FUNCTIONS[activation](x, *params)


def check(ctx: Context) -> None:
    """ModelError where the node's activation is unknown or its parameters have the wrong count or are not numbers."""
    name, params = ctx.attrs["activation"], ctx.attrs["activation_params"]
    if name is None:
        return
    if name not in FUNCTIONS:
        raise ctx.error(f"activation '{name}' cannot be fused; known are {', '.join(sorted(FUNCTIONS))}")
    counts = PARAMETERS.get(name, (0,))
    if len(params) not in counts:
        raise ctx.error(f"activation {name} takes {counts[-1]} parameters, not {len(params)}")
    if np.isnan(np.asarray(params, np.float64)).any():
        raise ctx.error(f"activation {name} has a NaN parameter")


def real_range(activation: str | None, params: Sequence[float] = ()) -> tuple[float, float] | None:
    """The range that the activation clamps to, in real numbers; None where it is more than a clamp."""
    if activation is None:
        return -np.inf, np.inf
    return CLAMPS[activation](*params) if activation in CLAMPS else None


def quantized_range(
    activation: str | None, params: Sequence[float], quant: Quantization, dtype: np.dtype | type
) -> tuple[int, int] | None:
    """Lowest and highest integer of an output with this quantization; None where the activation is no clamp, or along
    an axis, where they need not be the same everywhere.

    The bounds are quantized like any real number, so a bound beyond the representable range has no effect.
    """
    bounds = real_range(activation, params)
    if bounds is None or quant.axis is not None:
        return None
    low, high = quantize(np.array(bounds, np.float32), quant, dtype).tolist()
    return min(low, high), high
