"""ReduceMean: the average over axes, all of them by default."""

from __future__ import annotations

from math import prod

import numpy as np

from . import integer
from .reduce import infer, over, reduction, total, wide
from .registry import Context, Op, register


def mean(data: np.ndarray, axes: tuple[int, ...], keep: bool) -> np.ndarray:
    """NaN over no elements (0 for integers). The mean of integers drops its fraction."""
    count = prod(data.shape[axis] for axis in axes)
    if data.dtype.kind != "f":
        return np.trunc(np.sum(data, axes, np.float64, keepdims=keep) / max(count, 1))
    with np.errstate(invalid="ignore"):
        numbers = wide(data)
        return total(numbers, axes, keep) / numbers.dtype.type(count)


def quantized(ctx: Context, data: np.ndarray, axes: np.ndarray | None = None) -> np.ndarray:
    """XNNPACK's mean: the sum of q - zero_point times float32 (x.scale / y.scale) / count, rounded half to even."""
    x, y = ctx.input(0), ctx.outputs[0]
    if x.quant is None or x.quant.axis is not None or y.quant is None:
        return NotImplemented
    along = over(axes, data.ndim, ctx.attrs["noop_with_empty_axes"])
    count = prod(data.shape[axis] for axis in along)
    if count == 0:
        return NotImplemented
    centred = data.astype(np.int64) - x.quant.zero_point
    acc = np.sum(centred, along, keepdims=bool(ctx.attrs["keepdims"]))
    limits = np.iinfo(y.dtype)
    scale = x.quant.scale / y.quant.scale * (np.float32(1) / np.float32(count))
    return integer.requantize(acc, scale, y.quant.zero_point[0], limits.min, limits.max, y.dtype)


register(Op("ReduceMean", reduction(mean), infer, quantized=quantized))
