"""ConstantOfShape: a tensor of the given shape filled with one value (float32 zero by default)."""

from __future__ import annotations

import numpy as np

from .checks import DTYPES, integer_vector
from .registry import Context, Inferred, Op, register


def infer(ctx: Context) -> list[Inferred]:
    shape, value = integer_vector(ctx, 0), ctx.attrs["value"]
    if shape is None or any(dim < 0 for dim in shape):
        raise ctx.error(f"{shape} is not a shape")
    if value is not None and (value.size != 1 or value.dtype not in DTYPES):
        raise ctx.error("its value must be one number or boolean")
    return [(tuple(shape), np.dtype(np.float32) if value is None else value.dtype)]


def constant_of_shape(shape: np.ndarray, *, value: np.ndarray | None = None) -> np.ndarray:
    fill = np.zeros(1, np.float32) if value is None else value
    return np.full(shape.reshape(-1).tolist(), fill.reshape(()), fill.dtype)


register(Op("ConstantOfShape", constant_of_shape, infer))
