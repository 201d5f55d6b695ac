"""Squeeze: drops dimensions of size one, all of them or those at axes."""

from __future__ import annotations

import numpy as np

from .checks import integer_vector, normalize_axes
from .registry import Context, Inferred, Op, register


def infer(ctx: Context) -> list[Inferred]:
    data = ctx.input(0)
    axes = integer_vector(ctx, 1)
    if axes is None:
        return [(tuple(dim for dim in data.shape if dim != 1), data.dtype)]
    dropped = normalize_axes(ctx, axes, len(data.shape))
    for axis in dropped:
        if data.shape[axis] != 1:
            raise ctx.error(f"axis {axis} of '{data.name}' has size {data.shape[axis]}, not 1")
    return [(tuple(dim for axis, dim in enumerate(data.shape) if axis not in dropped), data.dtype)]


def squeeze(data: np.ndarray, axes: np.ndarray | None = None) -> np.ndarray:
    return np.squeeze(data, None if axes is None else tuple(axes.reshape(-1).tolist()))


register(Op("Squeeze", squeeze, infer, rearranges=True, text=True))
