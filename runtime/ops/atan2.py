"""Atan2: the angle of the point (x, y), in -pi..pi."""

from __future__ import annotations

import numpy as np

from .checks import FLOATS, infer_elementwise, require_kind
from .registry import Context, Inferred, Op, register


def infer(ctx: Context) -> list[Inferred]:
    for index in range(2):
        require_kind(ctx, ctx.input(index), FLOATS)
    return infer_elementwise(ctx)


def atan2(y: np.ndarray, x: np.ndarray) -> np.ndarray:
    return np.arctan2(y, x)


register(Op("Atan2", atan2, infer, broadcasts=True))
