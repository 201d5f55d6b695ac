"""Slice: elements from starts up to ends by steps along axes. Bounds count and clamp as Python's do."""

from __future__ import annotations

import numpy as np

from .checks import integer_vector, normalize_axes
from .registry import Context, Inferred, Op, register


def infer(ctx: Context) -> list[Inferred]:
    data = ctx.input(0)
    starts, ends = integer_vector(ctx, 1), integer_vector(ctx, 2)
    if starts is None or ends is None:
        raise ctx.error("starts or ends is missing")
    given_axes, given_steps = integer_vector(ctx, 3), integer_vector(ctx, 4)
    axes = normalize_axes(ctx, range(len(starts)) if given_axes is None else given_axes, len(data.shape))
    steps = [1] * len(starts) if given_steps is None else given_steps
    if not len(starts) == len(ends) == len(axes) == len(steps):
        raise ctx.error("starts, ends, axes and steps must be equally long")
    if 0 in steps:
        raise ctx.error("a step of 0 is not possible")
    shape = list(data.shape)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        shape[axis] = len(range(*slice(start, end, step).indices(shape[axis])))
    return [(tuple(shape), data.dtype)]


def slice_(
    data: np.ndarray,
    starts: np.ndarray,
    ends: np.ndarray,
    axes: np.ndarray | None = None,
    steps: np.ndarray | None = None,
) -> np.ndarray:
    starts = starts.reshape(-1)
    axes = np.arange(len(starts)) if axes is None else axes.reshape(-1)
    steps = np.ones(len(starts), np.int64) if steps is None else steps.reshape(-1)
    index = [slice(None)] * data.ndim
    for start, end, axis, step in zip(starts, ends.reshape(-1), axes, steps, strict=True):
        index[axis] = slice(int(start), int(end), int(step))
    return data[tuple(index)]


register(Op("Slice", slice_, infer, moves_data=True, text=True))
