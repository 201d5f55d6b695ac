"""Unique: each element, or slice along an axis, once; where it came first, where each came to lie, and how many."""

from __future__ import annotations

import numpy as np

from ..boxed import is_boxed
from .checks import normalize_axis
from .registry import Context, Cost, Inferred, Op, register


def infer(ctx: Context) -> list[Inferred]:
    x, axis = ctx.input(0), ctx.attrs["axis"]
    if axis is not None:
        if is_boxed(x.dtype):
            raise ctx.error("text has no order along an axis; it takes axis None")
        normalize_axis(ctx, axis, len(x.shape))
    ctx.found = list(unique(ctx.elements(0), **ctx.attrs))
    return [(array.shape, array.dtype) for array in ctx.found]


def unique(
    x: np.ndarray, *, axis: int | None = None, sorted: int = 1
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Without sorted, in the order in which they came first. Positions and counts are int64."""
    y, first, places, counts = np.unique(x, True, True, True, axis)
    places = places.reshape(-1)
    if not sorted:
        order = np.argsort(first, kind="stable")
        rank = np.empty_like(order)
        rank[order] = np.arange(len(order))
        y, first, places, counts = np.take(y, order, axis or 0), first[order], rank[places], counts[order]
    return y, first.astype(np.int64), places.astype(np.int64), counts.astype(np.int64)


def cost(ctx: Context) -> Cost:
    return Cost(100 * ctx.input(0).size, 32 * ctx.input(0).size)


register(Op("Unique", unique, infer, cost=cost, runs_to_infer=True, text=True))
