"""Where: x where the condition holds, y elsewhere; all three broadcast."""

from __future__ import annotations

import numpy as np

from .checks import BOOL, broadcast, require_kind, same_dtype
from .registry import Context, Inferred, Op, register


def infer(ctx: Context) -> list[Inferred]:
    condition, x, y = (ctx.input(index) for index in range(3))
    require_kind(ctx, condition, BOOL)
    return [(broadcast(ctx, condition.shape, x.shape, y.shape), same_dtype(ctx, [x, y]))]


def where(condition: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    return np.where(condition, x, y)


register(Op("Where", where, infer, moves_data=True, data=(1, 2), broadcasts=True, text=True))
