"""What a quantized node computes with: the quantizations of its tensors and the range of its output."""

from __future__ import annotations

import msgspec
import numpy as np

from ..graph import Quantization
from . import activation
from .registry import Context, Tensor

SAME_SCALE = 1e-6
"""Relative: how far a bias's scale may be from input scale * weight scale to be taken for rounding of it."""


class Product(msgspec.Struct, frozen=True):
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

    None where the output is not quantized per tensor or the activation is more than a clamp: then real numbers must be
    used.
    """
    y = ctx.outputs[0]
    if y.quant is None:
        return None
    name, params = ctx.attrs.get("activation"), ctx.attrs.get("activation_params", ())
    limits = activation.quantized_range(name, params, y.quant, y.dtype)
    return None if limits is None else (y.quant, *limits)


def product(ctx: Context, outputs: int | None = None) -> Product | None:
    """A node whose inputs are x, w and an optional bias, as an integer product; None where that is not exact.

    That needs x, w and output quantized to 8 bits, x and output per tensor and w so or along its axis `outputs`, a
    clamp as activation, and a bias in int32 with the scale of the sums.
    """
    x, w, b = ctx.input(0), ctx.input(1), ctx.optional(2)
    target = output_range(ctx)
    if target is None or x.quant is None or w.quant is None:
        return None
    if any(tensor.dtype.itemsize > 1 for tensor in (x, w, ctx.outputs[0])):
        return None
    if x.quant.axis is not None:
        return None
    if w.quant.axis is not None and (outputs is None or w.quant.axis != outputs % len(w.shape)):
        return None
    if b is not None and not _has_scale_of_sums(b, x.quant, w.quant):
        return None
    return Product(x.quant, w.quant, *target)


def _has_scale_of_sums(b: Tensor, x: Quantization, w: Quantization) -> bool:
    if b.dtype != np.int32 or b.quant is None or b.quant.axis not in (None, len(b.shape) - 1):
        return False
    scale = x.scale * w.scale
    if scale.size > 1 and b.quant.scale.size % scale.size == 0:
        # Groups of a ConvTranspose share their weights' scales.
        scale = np.tile(scale, b.quant.scale.size // scale.size)
    fits = b.quant.scale.size in (1, scale.size)
    return fits and not b.quant.zero_point.any() and np.allclose(b.quant.scale, scale, rtol=SAME_SCALE, atol=0)
