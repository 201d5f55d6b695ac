"""CumSum and CumProd: running sums and products along an axis; exclusive leaves each element out of its own, reverse
runs backwards."""

from __future__ import annotations

from typing import Any

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


def accumulate(data: np.ndarray, axis: np.ndarray, combine: Any, exclusive: int, reverse: int) -> np.ndarray:
    """combine: np.add or np.multiply. float16 is accumulated in float32."""
    along = int(axis.item())
    if not -data.ndim <= along < data.ndim:
        raise ModelError(f"axis {along} is out of range for a tensor of rank {data.ndim}")
    ordered = np.flip(data, along) if reverse else data
    wide = np.float32 if data.dtype == np.float16 else data.dtype
    found = combine.accumulate(ordered, along, wide)
    if exclusive and data.shape[along]:
        moved = np.full_like(found, combine.identity)
        np.moveaxis(moved, along, 0)[1:] = np.moveaxis(found, along, 0)[:-1]
        found = moved
    return (np.flip(found, along) if reverse else found).astype(data.dtype)


def cum_sum(data: np.ndarray, axis: np.ndarray, *, exclusive: int = 0, reverse: int = 0) -> np.ndarray:
    return accumulate(data, axis, np.add, exclusive, reverse)


def cum_prod(data: np.ndarray, axis: np.ndarray, *, exclusive: int = 0, reverse: int = 0) -> np.ndarray:
    return accumulate(data, axis, np.multiply, exclusive, reverse)


register(Op("CumSum", cum_sum, infer, keeps_shape=True))
register(Op("CumProd", cum_prod, infer, keeps_shape=True))
