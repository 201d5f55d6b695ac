"""OneHot: values[1] where the new dimension's position equals the index, values[0] elsewhere.

Indices count from the end where negative; one outside [-depth, depth - 1] sets nothing.
"""

from __future__ import annotations

import numpy as np

from .checks import NUMBERS, normalize_axis, require_kind
from .registry import Context, Inferred, Op, register


def infer(ctx: Context) -> list[Inferred]:
    indices, values, depth = ctx.input(0), ctx.input(2), ctx.constant(1)
    require_kind(ctx, indices, NUMBERS)
    require_kind(ctx, ctx.input(1), NUMBERS)
    if depth.size != 1 or not 0 <= depth.item() < 2**31:
        raise ctx.error("depth must be one number that is not negative")
    if values.shape != (2,):
        raise ctx.error(f"values must hold the off and the on value, but have shape {values.shape}")
    axis = normalize_axis(ctx, ctx.attrs["axis"], len(indices.shape) + 1)
    return [((*indices.shape[:axis], int(depth.item()), *indices.shape[axis:]), values.dtype)]


def one_hot(indices: np.ndarray, depth: np.ndarray, values: np.ndarray, *, axis: int = -1) -> np.ndarray:
    size = int(depth.item())
    chosen = indices.astype(np.int64)
    chosen = np.where(chosen < 0, chosen + size, chosen)
    hot = np.full((*chosen.shape, size), values[0], values.dtype)
    places = np.nonzero((chosen >= 0) & (chosen < size))
    ones = (*places, chosen[places])
    hot[ones] = values[1]
    return np.moveaxis(hot, -1, axis)


register(Op("OneHot", one_hot, infer))
