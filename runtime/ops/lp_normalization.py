"""LpNormalization: vectors along one axis divided by their 1- or 2-norm."""

from __future__ import annotations

import numpy as np

from .checks import FLOATS, normalize_axis, require_kind
from .registry import Context, Inferred, Op, register


def lp_normalization(x: np.ndarray, *, axis: int = -1, p: int = 2) -> np.ndarray:
    """A vector of zeros stays zero."""
    wide = x.astype(np.result_type(x.dtype, np.float32), copy=False)
    if p == 1:
        norm = np.abs(wide).sum(axis=axis, keepdims=True)
    else:
        norm = np.sqrt(np.square(wide).sum(axis=axis, keepdims=True))
    return (wide / np.where(norm == 0, wide.dtype.type(1), norm)).astype(x.dtype, copy=False)


def infer(ctx: Context) -> list[Inferred]:
    x = ctx.input(0)
    normalize_axis(ctx, ctx.attrs["axis"], len(x.shape))
    if ctx.attrs["p"] not in (1, 2):
        raise ctx.error(f"p is {ctx.attrs['p']}, neither 1 nor 2")
    return [(x.shape, require_kind(ctx, x, FLOATS))]


register(Op("LpNormalization", lp_normalization, infer, keeps_shape=True, along_axis=True))
