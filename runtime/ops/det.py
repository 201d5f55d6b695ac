"""Det: determinants of square matrices."""

from __future__ import annotations

import numpy as np

from .checks import FLOATS, require_kind
from .registry import Context, Cost, Inferred, Op, register


def infer(ctx: Context) -> list[Inferred]:
    x = ctx.input(0)
    require_kind(ctx, x, FLOATS)
    if len(x.shape) < 2 or x.shape[-1] != x.shape[-2]:
        raise ctx.error(f"input of shape {x.shape} holds no square matrices")
    return [(x.shape[:-2], x.dtype)]


def det(x: np.ndarray) -> np.ndarray:
    return np.asarray(np.linalg.det(x.astype(np.result_type(x.dtype, np.float32)))).astype(x.dtype)


register(Op("Det", det, infer, cost=lambda ctx: Cost(ctx.input(0).size * max(ctx.input(0).shape[-1], 1))))
