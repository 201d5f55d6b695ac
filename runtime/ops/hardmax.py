"""Hardmax: one where the largest element along an axis is first met, zero elsewhere."""

from __future__ import annotations

import numpy as np

from .checks import FLOATS, normalize_axis, require_kind
from .registry import Context, Inferred, Op, register


def infer(ctx: Context) -> list[Inferred]:
    x = ctx.input(0)
    normalize_axis(ctx, ctx.attrs["axis"], len(x.shape))
    return [(x.shape, require_kind(ctx, x, FLOATS))]


def hardmax(x: np.ndarray, *, axis: int = -1) -> np.ndarray:
    """NaN counts as the largest."""
    result = np.zeros_like(x)
    if x.size:
        np.put_along_axis(result, np.argmax(x, axis, keepdims=True), 1, axis)
    return result


register(Op("Hardmax", hardmax, infer, keeps_shape=True, along_axis=True, non_negative=True))
