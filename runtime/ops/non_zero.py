"""NonZero: the coordinates of elements that are not zero, int64 (rank, count), in row-major order."""

from __future__ import annotations

import numpy as np

from .registry import Context, Cost, Inferred, Op, register


def infer(ctx: Context) -> list[Inferred]:
    data, found = ctx.input(0), ctx.elements(0)
    zero = 0 if data.quant is None else data.quant.along(len(data.shape))[1]
    return [((max(len(data.shape), 1), int(np.count_nonzero(found != zero))), np.dtype(np.int64))]


def non_zero(data: np.ndarray) -> np.ndarray:
    """A scalar counts as a vector of one element."""
    return np.array(np.nonzero(np.atleast_1d(data)), np.int64)


def cost(ctx: Context) -> Cost:
    data = ctx.input(0)
    found = data.size * max(len(data.shape), 1)
    return Cost(20 * found, 16 * found)


register(Op("NonZero", non_zero, infer, cost=cost))
