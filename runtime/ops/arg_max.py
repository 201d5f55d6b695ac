"""ArgMax and ArgMin: the position along an axis of the largest or smallest element, int64; NaN counts as both."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from .checks import NUMBERS, normalize_axis, require_kind
from .registry import Context, Inferred, Op, register


def infer(ctx: Context) -> list[Inferred]:
    data = ctx.input(0)
    require_kind(ctx, data, NUMBERS)
    axis = normalize_axis(ctx, ctx.attrs["axis"], len(data.shape))
    if data.shape[axis] == 0:
        raise ctx.error(f"'{data.name}' has no elements along axis {axis}")
    kept = (1,) if ctx.attrs["keepdims"] else ()
    return [((*data.shape[:axis], *kept, *data.shape[axis + 1 :]), np.dtype(np.int64))]


def position(find: Callable[..., np.ndarray], data: np.ndarray, axis: int, keepdims: int, last: int) -> np.ndarray:
    if last:
        found = data.shape[axis] - 1 - find(np.flip(data, axis), axis, keepdims=bool(keepdims))
    else:
        found = find(data, axis, keepdims=bool(keepdims))
    return np.asarray(found, np.int64)


def arg_max(data: np.ndarray, *, axis: int = 0, keepdims: int = 1, select_last_index: int = 0) -> np.ndarray:
    return position(np.argmax, data, axis, keepdims, select_last_index)


def arg_min(data: np.ndarray, *, axis: int = 0, keepdims: int = 1, select_last_index: int = 0) -> np.ndarray:
    return position(np.argmin, data, axis, keepdims, select_last_index)


register(Op("ArgMax", arg_max, infer))
register(Op("ArgMin", arg_min, infer))
