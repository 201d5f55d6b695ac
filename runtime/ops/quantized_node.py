"""What a quantized node computes with: the quantizations of its tensors and the range of its output."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ..graph import Quantization
from . import activation
from .registry import Context


@dataclass(frozen=True, slots=True)
class Product:
    """A quantized convolution or matrix product: input, weights, output, and the range the output is clamped to."""

    x: Quantization
    w: Quantization
    y: Quantization
    low: int
    high: int

    @property
    def scale(self) -> np.ndarray:
        """float32 multiplier of the accumulator, of length 1 or one per output channel: x * w / y in this order."""
        return self.x.scale * self.w.scale / self.y.scale


def output_range(ctx: Context) -> tuple[Quantization, int, int] | None:
    """The first output's quantization and the integers its fused activation clamps to.

    None where the output is not quantized or the activation is more than a clamp: then real numbers must be used.
    """
    y = ctx.outputs[0]
    if y.quant is None:
        return None
    name, params = ctx.attrs.get("activation"), ctx.attrs.get("activation_params", ())
    limits = activation.quantized_range(name, params, y.quant, y.dtype)
    return None if limits is None else (y.quant, *limits)


def product(ctx: Context) -> Product | None:
    """A node whose inputs are x, w and an optional bias, as an integer product; None where that is not exact.

    That needs quantized x, w and output, a clamp as activation, and a bias in int32.
    """
    x, w, b = ctx.input(0), ctx.input(1), ctx.optional(2)
    target = output_range(ctx)
    if target is None or x.quant is None or w.quant is None:
        return None
    if b is not None and b.dtype != np.int32:
        return None
    return Product(x.quant, w.quant, *target)
