"""InstanceNormalization, channels-last: mean 0 and variance 1 over the spatial axes of every image and channel."""

from __future__ import annotations

import numpy as np

from .checks import FLOATS, require_kind
from .registry import Context, Inferred, Op, register


def instance_normalization(x: np.ndarray, scale: np.ndarray, bias: np.ndarray, *, epsilon: float = 1e-5) -> np.ndarray:
    """x (N, *spatial, C), scale and bias (C,)."""
    wide = np.result_type(x.dtype, np.float32)
    axes = tuple(range(1, x.ndim - 1))
    centred = x.astype(wide, copy=False) - x.mean(axis=axes, keepdims=True, dtype=wide)
    variance = np.square(centred).mean(axis=axes, keepdims=True)
    y = centred / np.sqrt(variance + wide.type(epsilon)) * scale + bias
    return y.astype(x.dtype, copy=False)


def infer(ctx: Context) -> list[Inferred]:
    x = ctx.input(0)
    require_kind(ctx, x, FLOATS)
    if len(x.shape) < 3:
        raise ctx.error(f"input of shape {x.shape} has no spatial axis")
    for index in (1, 2):
        parameter = ctx.input(index)
        require_kind(ctx, parameter, FLOATS)
        if parameter.shape != x.shape[-1:]:
            raise ctx.error(f"'{parameter.name}' of shape {parameter.shape} does not fit {x.shape[-1]} channels")
    return [(x.shape, x.dtype)]


register(Op("InstanceNormalization", instance_normalization, infer, keeps_shape=True))
