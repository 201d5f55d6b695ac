"""Compress: the slices along axis (elements of the flattened tensor without one) at which the condition holds."""

from __future__ import annotations

import numpy as np

from .checks import BOOL, normalize_axis, require_kind
from .registry import Context, Inferred, Op, register


def infer(ctx: Context) -> list[Inferred]:
    data, condition, axis = ctx.input(0), ctx.input(1), ctx.attrs["axis"]
    require_kind(ctx, condition, BOOL)
    if len(condition.shape) != 1:
        raise ctx.error(f"the condition must be a vector, but has shape {condition.shape}")
    shape = (data.size,) if axis is None else data.shape
    axis = normalize_axis(ctx, 0 if axis is None else axis, len(shape))
    kept = int(np.count_nonzero(ctx.elements(1)[: shape[axis]]))
    return [((*shape[:axis], kept, *shape[axis + 1 :]), data.dtype)]


def compress(data: np.ndarray, condition: np.ndarray, *, axis: int | None = None) -> np.ndarray:
    """A condition shorter than the dimension drops the rest; what it says beyond the dimension is ignored."""
    size = data.size if axis is None else data.shape[axis]
    return np.compress(condition[:size], data, axis)


register(Op("Compress", compress, infer, moves_data=True, text=True))
