"""GatherElements: out[i, j, ...] = data[i, indices[i, j, ...], ...] with the index at axis."""

from __future__ import annotations

import numpy as np

from .checks import INTEGERS, normalize_axis, require_kind
from .indices import check_element_indices, positions
from .registry import Context, Inferred, Op, register


def infer(ctx: Context) -> list[Inferred]:
    data, indices = ctx.input(0), ctx.input(1)
    require_kind(ctx, indices, INTEGERS)
    check_element_indices(ctx, data, indices, normalize_axis(ctx, ctx.attrs["axis"], len(data.shape)))
    return [(indices.shape, data.dtype)]


def gather_elements(data: np.ndarray, indices: np.ndarray, *, axis: int = 0) -> np.ndarray:
    return data[positions(indices, axis, data.shape)]


register(Op("GatherElements", gather_elements, infer, moves_data=True, text=True))
