"""Expand: broadcasts a tensor against a shape, both ways."""

from __future__ import annotations

import numpy as np

from .checks import broadcast, integer_vector
from .registry import Context, Inferred, Op, register


def infer(ctx: Context) -> list[Inferred]:
    data, shape = ctx.input(0), integer_vector(ctx, 1)
    if shape is None or any(dim < 0 for dim in shape):
        raise ctx.error(f"{shape} is not a shape")
    return [(broadcast(ctx, data.shape, tuple(shape)), data.dtype)]


def expand(data: np.ndarray, shape: np.ndarray) -> np.ndarray:
    return np.broadcast_to(data, np.broadcast_shapes(data.shape, tuple(shape.reshape(-1).tolist())))


register(Op("Expand", expand, infer, moves_data=True, text=True))
