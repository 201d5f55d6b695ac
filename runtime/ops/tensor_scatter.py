"""TensorScatter: a cache with new entries written along an axis, each batch entry's from an index of its own."""

from __future__ import annotations

import numpy as np

from ..errors import ModelError
from .checks import INTEGERS, normalize_axis, require_kind, same_dtype
from .registry import Context, Inferred, Op, register


def infer(ctx: Context) -> list[Inferred]:
    cache, update, where = ctx.input(0), ctx.input(1), ctx.optional(2)
    same_dtype(ctx, [cache, update])
    axis = normalize_axis(ctx, ctx.attrs["axis"], len(cache.shape))
    fits = len(update.shape) == len(cache.shape) and all(
        new == old or (index == axis and new <= old)
        for index, (new, old) in enumerate(zip(update.shape, cache.shape, strict=True))
    )
    if not fits or axis == 0:
        raise ctx.error(f"updates of shape {update.shape} do not fit a cache of shape {cache.shape} along axis {axis}")
    if where is not None:
        require_kind(ctx, where, INTEGERS)
        if where.shape != cache.shape[:1]:
            raise ctx.error(f"write_indices have shape {where.shape}, but must have {cache.shape[:1]}")
    if ctx.attrs["mode"] not in ("linear", "circular"):
        raise ctx.error(f"mode '{ctx.attrs['mode']}' is neither linear nor circular")
    return [(cache.shape, cache.dtype)]


def tensor_scatter(
    past_cache: np.ndarray,
    update: np.ndarray,
    write_indices: np.ndarray | None = None,
    *,
    axis: int = -2,
    mode: str = "linear",
) -> np.ndarray:
    """circular: what reaches beyond the end continues at the start."""
    result = past_cache.copy()
    cache, new = np.moveaxis(result, axis, 1), np.moveaxis(update, axis, 1)
    size, count = cache.shape[1], new.shape[1]
    starts = np.zeros(len(cache), np.int64) if write_indices is None else write_indices.astype(np.int64)
    for entry, start in enumerate(starts):
        places = np.arange(start, start + count)
        if mode == "circular":
            places %= size
        elif count and not 0 <= start <= size - count:
            raise ModelError(f"write index {start} with {count} entries is out of range for a cache of {size}")
        cache[entry, places] = new[entry]
    return result


register(Op("TensorScatter", tensor_scatter, infer, keeps_shape=True))
