"""Flatten: a matrix of the dimensions before axis by those from axis on."""

from __future__ import annotations

from math import prod

import numpy as np

from .registry import Context, Inferred, Op, Shape, register


def matrix(shape: Shape, axis: int) -> Shape:
    axis = axis + len(shape) if axis < 0 else axis
    return prod(shape[:axis]), prod(shape[axis:])


def infer(ctx: Context) -> list[Inferred]:
    data, axis = ctx.input(0), ctx.attrs["axis"]
    rank = len(data.shape)
    if not -rank <= axis <= rank:
        raise ctx.error(f"axis {axis} is out of range for a tensor of rank {rank}")
    return [(matrix(data.shape, axis), data.dtype)]


def flatten(data: np.ndarray, *, axis: int = 1) -> np.ndarray:
    return data.reshape(matrix(data.shape, axis))


register(Op("Flatten", flatten, infer, rearranges=True, text=True))
