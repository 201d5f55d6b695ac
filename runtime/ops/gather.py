"""Gather: whole slices along an axis, picked by an index tensor of any rank."""

from __future__ import annotations

import numpy as np

from .checks import INTEGERS, normalize_axis, require_kind
from .indices import wrap
from .registry import Context, Inferred, Op, register


def infer(ctx: Context) -> list[Inferred]:
    data, indices = ctx.input(0), ctx.input(1)
    require_kind(ctx, indices, INTEGERS)
    axis = normalize_axis(ctx, ctx.attrs["axis"], len(data.shape))
    return [((*data.shape[:axis], *indices.shape, *data.shape[axis + 1 :]), data.dtype)]


def gather(data: np.ndarray, indices: np.ndarray, *, axis: int = 0) -> np.ndarray:
    return np.asarray(np.take(data, wrap(indices, data.shape[axis]), axis), data.dtype)


register(Op("Gather", gather, infer, moves_data=True, text=True))
