"""Sums and means of quantized tensors, as XNNPACK (and so LiteRT) computes them."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import numpy as np

from ..graph import Quantization
from .reduce import over
from .registry import Context


def parameters(x: Quantization, y: Quantization, count: int, divisor: int) -> tuple[np.float32, np.float32]:
    """Scale and offset that take the sum of `count` stored integers to an output, both rounded as float32.

    scale = x.scale / y.scale * (1 / divisor); offset = y.zero_point - (count * x.zero_point) * scale. divisor: 1 for a
    sum, count for a mean. Found by comparison with LiteRT 2, whose outputs they give bit for bit; neither product is
    fused with the addition that follows it.
    """
    scale = x.scale[0] / y.scale[0] * (np.float32(1) / np.float32(divisor))
    offset = np.float32(y.zero_point[0]) - np.float32(count * int(x.zero_point[0])) * scale
    return np.float32(scale), np.float32(offset)


def reduction(divided: bool) -> Callable[..., np.ndarray]:
    """The integer implementation of a sum, or of a mean."""

    def quantized(ctx: Context, data: np.ndarray, axes: np.ndarray | None = None) -> np.ndarray:
        """round half even(float32(sum of stored integers) * scale + offset), saturated."""
        x, y = ctx.input(0).quant, ctx.outputs[0].quant
        along = over(axes, data.ndim, ctx.attrs["noop_with_empty_axes"])
        count = prod(data.shape[axis] for axis in along)
        if x is None or y is None or x.axis is not None or y.axis is not None or count == 0:
            return NotImplemented
        scale, offset = parameters(x, y, count, count if divided else 1)
        total = np.sum(data, along, np.int64, keepdims=bool(ctx.attrs["keepdims"]))
        limits = np.iinfo(ctx.outputs[0].dtype)
        steps = np.rint(total.astype(np.float32) * scale + offset)
        return np.clip(steps, limits.min, limits.max).astype(ctx.outputs[0].dtype)

    return quantized
