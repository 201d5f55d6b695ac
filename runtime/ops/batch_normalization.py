"""BatchNormalization with the statistics of training: one scale and shift per channel."""

from __future__ import annotations

import numpy as np

from .checks import FLOATS, normalize_axis, require_kind
from .registry import Context, Inferred, Op, register


def along(parameter: np.ndarray, rank: int, axis: int) -> np.ndarray:
    shape = [1] * rank
    shape[axis] = -1
    return parameter.reshape(shape)


def batch_normalization(
    x: np.ndarray,
    scale: np.ndarray,
    bias: np.ndarray,
    mean: np.ndarray,
    variance: np.ndarray,
    *,
    epsilon: float = 1e-5,
    axis: int = 1,
) -> np.ndarray:
    """(x - mean) / sqrt(variance + epsilon) * scale + bias, each per index along axis (in ONNX always 1)."""
    wide = np.result_type(scale.dtype, np.float32)
    factor = scale.astype(wide) / np.sqrt(variance.astype(wide) + wide.type(epsilon))
    centred = x.astype(np.result_type(x.dtype, wide), copy=False) - along(mean, x.ndim, axis)
    return (centred * along(factor, x.ndim, axis) + along(bias, x.ndim, axis)).astype(x.dtype, copy=False)


def infer(ctx: Context) -> list[Inferred]:
    x = ctx.input(0)
    require_kind(ctx, x, FLOATS)
    axis = normalize_axis(ctx, ctx.attrs["axis"], len(x.shape))
    for index in range(1, 5):
        parameter = ctx.input(index)
        require_kind(ctx, parameter, FLOATS)
        if parameter.shape != (x.shape[axis],):
            raise ctx.error(f"'{parameter.name}' of shape {parameter.shape} does not fit {x.shape[axis]} channels")
    return [(x.shape, x.dtype)]


register(Op("BatchNormalization", batch_normalization, infer, keeps_shape=True))
