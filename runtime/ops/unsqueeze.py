"""Unsqueeze: inserts dimensions of size one at axes, which count in the output."""

from __future__ import annotations

import numpy as np

from .checks import integer_vector, normalize_axes
from .registry import Context, Inferred, Op, register


def infer(ctx: Context) -> list[Inferred]:
    data = ctx.input(0)
    axes = integer_vector(ctx, 1)
    if axes is None:
        raise ctx.error("input 1 is missing")
    rank = len(data.shape) + len(axes)
    added = set(normalize_axes(ctx, axes, rank))
    dims = iter(data.shape)
    return [(tuple(1 if axis in added else next(dims) for axis in range(rank)), data.dtype)]


def unsqueeze(data: np.ndarray, axes: np.ndarray) -> np.ndarray:
    return np.expand_dims(data, tuple(axes.reshape(-1).tolist()))


register(Op("Unsqueeze", unsqueeze, infer, rearranges=True, text=True))
