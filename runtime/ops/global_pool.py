"""GlobalAveragePool and GlobalMaxPool, channels-last: one window over all spatial axes, which stay with size 1."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from . import activation as act
from . import integer, quantized_node
from .checks import NUMBERS, require_kind
from .registry import Context, Inferred, Op, register


def spatial_axes(x: np.ndarray) -> tuple[int, ...]:
    return tuple(range(1, x.ndim - 1))


def global_average_pool(
    x: np.ndarray, *, activation: str | None = None, activation_params: Sequence[float] = ()
) -> np.ndarray:
    """x (N, *spatial, C) -> (N, 1..., C)."""
    wide = np.result_type(x.dtype, np.float32)
    y = x.mean(axis=spatial_axes(x), keepdims=True, dtype=wide)
    return act.apply(y, activation, activation_params).astype(x.dtype, copy=False)


def global_max_pool(
    x: np.ndarray, *, activation: str | None = None, activation_params: Sequence[float] = ()
) -> np.ndarray:
    """x (N, *spatial, C) -> (N, 1..., C)."""
    y = act.apply(x.max(axis=spatial_axes(x), keepdims=True), activation, activation_params)
    return y.astype(x.dtype, copy=False)


def quantized_average(ctx: Context, x: np.ndarray) -> np.ndarray:
    """`integer.mean` over the spatial axes."""
    target, qx = quantized_node.output_range(ctx), ctx.input(0).quant
    if target is None or qx is None:
        return NotImplemented
    total = integer.centred(x, qx, np.int64).sum(axis=spatial_axes(x), keepdims=True)
    return integer.mean(total, math.prod(x.shape[1:-1]), qx, *target, ctx.outputs[0].dtype)


def quantized_max(ctx: Context, x: np.ndarray) -> np.ndarray:
    target, qx = quantized_node.output_range(ctx), ctx.input(0).quant
    if target is None or qx is None:
        return NotImplemented
    return integer.rescale(x.max(axis=spatial_axes(x), keepdims=True), qx, *target, ctx.outputs[0].dtype)


def infer(ctx: Context) -> list[Inferred]:
    x = ctx.input(0)
    require_kind(ctx, x, NUMBERS)
    if len(x.shape) < 3 or 0 in x.shape[1:-1]:
        raise ctx.error(f"input of shape {x.shape} has nothing to pool")
    act.check(ctx)
    return [((x.shape[0], *[1] * (len(x.shape) - 2), x.shape[-1]), x.dtype)]


register(Op("GlobalAveragePool", global_average_pool, infer, quantized=quantized_average))
register(Op("GlobalMaxPool", global_max_pool, infer, quantized=quantized_max, moves_data=True))
