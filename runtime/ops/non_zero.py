"""NonZero: the coordinates of elements that are not zero, int64 (rank, count), in row-major order."""

from __future__ import annotations

import numpy as np

from .registry import Context, Inferred, Op, register


def infer(ctx: Context) -> list[Inferred]:
    data = ctx.input(0)
    if data.data is None:
        raise ctx.error("its output's shape depends on run-time data")
    zero = 0 if data.quant is None else data.quant.along(len(data.shape))[1]
    return [((max(len(data.shape), 1), int(np.count_nonzero(data.data != zero))), np.dtype(np.int64))]


def non_zero(data: np.ndarray) -> np.ndarray:
    """A scalar counts as a vector of one element."""
    return np.array(np.nonzero(np.atleast_1d(data)), np.int64)


register(Op("NonZero", non_zero, infer))
