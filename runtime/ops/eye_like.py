"""EyeLike: ones on the k-th diagonal of a matrix shaped like the input, zeros elsewhere."""

from __future__ import annotations

import numpy as np

from .checks import named_dtype
from .registry import Context, Inferred, Op, register


def infer(ctx: Context) -> list[Inferred]:
    data, dtype = ctx.input(0), ctx.attrs["dtype"]
    if len(data.shape) != 2:
        raise ctx.error(f"'{data.name}' must be a matrix, but has shape {data.shape}")
    return [(data.shape, data.dtype if dtype is None else named_dtype(ctx, dtype))]


def eye_like(data: np.ndarray, *, dtype: str | None = None, k: int = 0) -> np.ndarray:
    """dtype: a NumPy name such as "float32"; the input's by default."""
    rows, columns = data.shape
    return np.eye(rows, columns, min(max(k, -rows), columns), data.dtype if dtype is None else dtype)


register(Op("EyeLike", eye_like, infer, keeps_shape=True, shape_only=True))
