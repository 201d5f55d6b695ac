"""LayerNormalization: (x - mean) / sqrt(variance + epsilon) over the axes from axis on, then scaled and shifted."""

from __future__ import annotations

from math import prod

import numpy as np

from .checks import FLOATS, broadcast, normalize_axis, require_kind
from .registry import Context, Inferred, Op, register


def infer(ctx: Context) -> list[Inferred]:
    x = ctx.input(0)
    require_kind(ctx, x, FLOATS)
    axis = normalize_axis(ctx, ctx.attrs["axis"], len(x.shape))
    if ctx.attrs["stash_type"] != 1:
        raise ctx.error("stash_type must be 1 (float32)")
    for index in (1, 2):
        tensor = ctx.optional(index)
        if tensor is not None and broadcast(ctx, x.shape, tensor.shape) != x.shape:
            raise ctx.error(f"'{tensor.name}' of shape {tensor.shape} does not broadcast to {x.shape}")
    kept = (*x.shape[:axis], *(1 for _ in x.shape[axis:]))
    statistic = np.dtype(np.float64 if x.dtype == np.float64 else np.float32)
    return [(x.shape, x.dtype), (kept, statistic), (kept, statistic)]


def layer_normalization(
    x: np.ndarray,
    scale: np.ndarray,
    b: np.ndarray | None = None,
    *,
    axis: int = -1,
    epsilon: float = 1e-5,
    stash_type: int = 1,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The result, the mean and the inverse of the standard deviation. float16 is computed in float32."""
    wide = x.astype(np.float64 if x.dtype == np.float64 else np.float32)
    axes = tuple(range(axis % x.ndim, x.ndim))
    count = wide.dtype.type(prod(x.shape[axis % x.ndim :]))
    with np.errstate(invalid="ignore", divide="ignore"):
        mean = np.sum(wide, axes, keepdims=True) / count
        variance = np.sum(np.square(wide - mean), axes, keepdims=True) / count
        inverse = 1 / np.sqrt(variance + wide.dtype.type(epsilon))
        y = (wide - mean) * inverse * scale
    return (y if b is None else y + b).astype(x.dtype), mean, inverse


register(Op("LayerNormalization", layer_normalization, infer, keeps_shape=True))
