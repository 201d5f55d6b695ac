"""Reshape: the same elements in the same order under another shape."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import prod

import numpy as np

from ..errors import ModelError
from .checks import integer_vector
from .registry import Context, Inferred, Op, Shape, register


def resolve(shape: Shape, wanted: Iterable[int], allowzero: int, error: Callable[[str], Exception]) -> Shape:
    """wanted with 0 (copy this dimension, unless allowzero) and -1 (whatever is left) replaced by sizes."""
    target = [int(dim) for dim in wanted]
    fault = error(f"a tensor of shape {shape} cannot be reshaped to {tuple(target)}")
    if any(dim < -1 for dim in target) or target.count(-1) > 1 or (allowzero and -1 in target and 0 in target):
        raise fault
    if not allowzero:
        if any(dim == 0 and axis >= len(shape) for axis, dim in enumerate(target)):
            raise fault
        target = [shape[axis] if dim == 0 else dim for axis, dim in enumerate(target)]
    if -1 in target:
        others = prod(dim for dim in target if dim != -1)
        if others == 0:
            raise fault
        target[target.index(-1)] = prod(shape) // others
    if prod(target) != prod(shape):
        raise fault
    return tuple(target)


def infer(ctx: Context) -> list[Inferred]:
    data = ctx.input(0)
    wanted = integer_vector(ctx, 1)
    if wanted is None:
        raise ctx.error("input 1 is missing")
    return [(resolve(data.shape, wanted, ctx.attrs["allowzero"], ctx.error), data.dtype)]


def reshape(data: np.ndarray, shape: np.ndarray, *, allowzero: int = 0) -> np.ndarray:
    return data.reshape(resolve(data.shape, shape.reshape(-1), allowzero, ModelError))


register(Op("Reshape", reshape, infer, rearranges=True, text=True))
