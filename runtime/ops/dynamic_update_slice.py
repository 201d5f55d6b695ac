"""DynamicUpdateSlice: a copy of a tensor with a smaller one written into it, at a place known once it runs."""

from __future__ import annotations

import numpy as np

from .checks import INTEGERS, require_kind, same_dtype
from .registry import Context, Inferred, Op, register


def infer(ctx: Context) -> list[Inferred]:
    data, update, starts = ctx.input(0), ctx.input(1), ctx.input(2)
    require_kind(ctx, starts, INTEGERS)
    same_dtype(ctx, [data, update])
    fits = len(update.shape) == len(data.shape) and all(
        part <= whole for part, whole in zip(update.shape, data.shape, strict=True)
    )
    if not fits or starts.shape != (len(data.shape),):
        raise ctx.error(f"{update.shape} at {starts.shape} starts does not fit into {data.shape}")
    return [(data.shape, data.dtype)]


def dynamic_update_slice(data: np.ndarray, update: np.ndarray, starts: np.ndarray) -> np.ndarray:
    """starts (rank,): where the update's first element goes, moved so that all of it lies within."""
    room = np.array(data.shape, np.int64) - update.shape
    first = np.clip(starts.astype(np.int64), 0, room)
    result = data.copy()
    result[tuple(slice(low, low + size) for low, size in zip(first.tolist(), update.shape, strict=True))] = update
    return result


register(Op("DynamicUpdateSlice", dynamic_update_slice, infer, data=(0, 1), keeps_shape=True, moves_data=True))
