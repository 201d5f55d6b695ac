"""Equal, Less, LessOrEqual, Greater, GreaterOrEqual: elementwise comparisons of two tensors that broadcast."""

from __future__ import annotations

import numpy as np

from .checks import NUMBERS, broadcast, require_kind, same_dtype
from .registry import Context, Inferred, Op, register


def infer_equal(ctx: Context) -> list[Inferred]:
    a, b = ctx.input(0), ctx.input(1)
    same_dtype(ctx, [a, b])
    return [(broadcast(ctx, a.shape, b.shape), np.dtype(np.bool_))]


def infer_order(ctx: Context) -> list[Inferred]:
    require_kind(ctx, ctx.input(0), NUMBERS)
    return infer_equal(ctx)


def equal(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.asarray(a == b, np.bool_)


def less(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.asarray(a < b)


def less_or_equal(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.asarray(a <= b)


def greater(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.asarray(a > b)


def greater_or_equal(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return np.asarray(a >= b)


register(Op("Equal", equal, infer_equal, broadcasts=True, text=True))
register(Op("Less", less, infer_order, broadcasts=True))
register(Op("LessOrEqual", less_or_equal, infer_order, broadcasts=True))
register(Op("Greater", greater, infer_order, broadcasts=True))
register(Op("GreaterOrEqual", greater_or_equal, infer_order, broadcasts=True))
