"""Range: start, start + delta, ... up to but without limit."""

from __future__ import annotations

from math import ceil, isfinite

import numpy as np

from .checks import NUMBERS, require_kind, same_dtype
from .registry import Context, Cost, Inferred, Op, register


def length(start: np.ndarray, limit: np.ndarray, delta: np.ndarray) -> int:
    """Number of elements; integers are counted exactly, floats in double precision."""
    first, last, step = start.item(), limit.item(), delta.item()
    if isinstance(first, int):
        return max(0, -((first - last) // step))
    return max(0, ceil((last - first) / step))


def infer(ctx: Context) -> list[Inferred]:
    tensors = [ctx.input(index) for index in range(3)]
    dtype = same_dtype(ctx, tensors)
    require_kind(ctx, tensors[0], NUMBERS)
    values = [ctx.elements(index) for index in range(3)]
    if any(value.size != 1 for value in values):
        raise ctx.error("start, limit and delta must be scalars")
    if values[2].item() == 0 or not all(isfinite(value.item()) for value in values):
        raise ctx.error("start, limit and delta must be finite and delta not 0")
    return [((length(*values),), dtype)]


def range_(start: np.ndarray, limit: np.ndarray, delta: np.ndarray) -> np.ndarray:
    steps = np.arange(length(start, limit, delta)).astype(start.dtype, copy=False)
    steps *= delta.reshape(())
    steps += start.reshape(())
    return steps


register(Op("Range", range_, infer, cost=lambda ctx: Cost(0, 8 * ctx.outputs[0].size)))
