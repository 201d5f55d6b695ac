"""IsNaN and IsInf: which elements are not numbers, which are infinite."""

from __future__ import annotations

import numpy as np

from .checks import FLOATS, require_kind
from .registry import Context, Inferred, Op, register


def infer(ctx: Context) -> list[Inferred]:
    require_kind(ctx, ctx.input(0), FLOATS)
    return [(ctx.input(0).shape, np.dtype(np.bool_))]


def is_nan(data: np.ndarray) -> np.ndarray:
    return np.asarray(np.isnan(data))


def is_inf(data: np.ndarray, *, detect_negative: int = 1, detect_positive: int = 1) -> np.ndarray:
    positive = (data == np.inf) & bool(detect_positive)
    negative = (data == -np.inf) & bool(detect_negative)
    return np.asarray(positive | negative)


register(Op("IsNaN", is_nan, infer, elementwise=True))
register(Op("IsInf", is_inf, infer, elementwise=True))
