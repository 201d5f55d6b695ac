"""CumSum: running sums along an axis; exclusive leaves each element out of its own sum, reverse runs backwards."""

from __future__ import annotations

import numpy as np

from ..errors import ModelError
from .checks import INTEGERS, NUMBERS, integer_scalar, normalize_axis, require_kind
from .registry import Context, Inferred, Op, register


def infer(ctx: Context) -> list[Inferred]:
    data, axis = ctx.input(0), ctx.input(1)
    require_kind(ctx, data, NUMBERS)
    require_kind(ctx, axis, INTEGERS)
    if axis.size != 1:
        raise ctx.error("axis must be one integer")
    if axis.data is not None:
        normalize_axis(ctx, integer_scalar(ctx, 1), len(data.shape))
    return [(data.shape, data.dtype)]


def cum_sum(data: np.ndarray, axis: np.ndarray, *, exclusive: int = 0, reverse: int = 0) -> np.ndarray:
    """float16 is summed in float32."""
    along = int(axis.item())
    if not -data.ndim <= along < data.ndim:
        raise ModelError(f"axis {along} is out of range for a tensor of rank {data.ndim}")
    ordered = np.flip(data, along) if reverse else data
    sums = np.cumsum(ordered, along, np.float32 if data.dtype == np.float16 else data.dtype)
    if exclusive and data.shape[along]:
        moved = np.zeros_like(sums)
        np.moveaxis(moved, along, 0)[1:] = np.moveaxis(sums, along, 0)[:-1]
        sums = moved
    return (np.flip(sums, along) if reverse else sums).astype(data.dtype)


register(Op("CumSum", cum_sum, infer, keeps_shape=True))
