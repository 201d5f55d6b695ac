"""TopK: the k largest (or smallest) elements along an axis and where they were, int64; equal ones in their order."""

from __future__ import annotations

import numpy as np

from .checks import NUMBERS, integer_scalar, normalize_axis, require_kind
from .registry import Context, Cost, Inferred, Op, register

SORT = 100
"""Cost.work of sorting in one element among millions."""


def infer(ctx: Context) -> list[Inferred]:
    data, k = ctx.input(0), integer_scalar(ctx, 1)
    require_kind(ctx, data, NUMBERS)
    axis = normalize_axis(ctx, ctx.attrs["axis"], len(data.shape))
    if not 0 <= k <= data.shape[axis]:
        raise ctx.error(f"cannot take {k} of the {data.shape[axis]} elements along axis {axis}")
    shape = (*data.shape[:axis], k, *data.shape[axis + 1 :])
    return [(shape, data.dtype), (shape, np.dtype(np.int64))]


def top_k(
    data: np.ndarray, k: np.ndarray, *, axis: int = -1, largest: int = 1, sorted: int = 1
) -> tuple[np.ndarray, np.ndarray]:
    """Always sorted: ONNX leaves the order open where sorted is 0. NaN counts as the largest number."""
    if largest:
        backwards = np.argsort(np.flip(data, axis), axis, kind="stable")
        order = data.shape[axis] - 1 - np.flip(backwards, axis)
    else:
        order = np.argsort(data, axis, kind="stable")
    chosen = np.take(order, np.arange(int(k.item())), axis).astype(np.int64)
    return np.take_along_axis(data, chosen, axis), chosen


def cost(ctx: Context) -> Cost:
    return Cost(SORT * ctx.input(0).size, 32 * ctx.input(0).size)


register(Op("TopK", top_k, infer, cost=cost))
