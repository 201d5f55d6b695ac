"""Dilate: elements moved apart, with another one between them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .checks import same_dtype
from .registry import Context, Inferred, Op, Shape, register


def dilated_shape(shape: Shape, dilations: Sequence[int]) -> Shape:
    return tuple((size - 1) * by + 1 if size else 0 for size, by in zip(shape, dilations, strict=True))


def dilated(x: np.ndarray, dilations: Sequence[int], between: np.ndarray) -> np.ndarray:
    if all(by == 1 for by in dilations):
        return x
    result = np.full(dilated_shape(x.shape, dilations), between, x.dtype)
    result[tuple(slice(None, None, by) for by in dilations)] = x
    return result


def infer(ctx: Context) -> list[Inferred]:
    x, between, dilations = ctx.input(0), ctx.input(1), ctx.attrs["dilations"]
    same_dtype(ctx, [x, between])
    if between.size != 1:
        raise ctx.error(f"what lies between is {between.size} elements, not one")
    if len(dilations) != len(x.shape) or min(dilations, default=1) < 1:
        raise ctx.error(f"dilations {dilations} do not fit an input of shape {x.shape}")
    return [(dilated_shape(x.shape, dilations), x.dtype)]


def dilate(x: np.ndarray, between: np.ndarray, *, dilations: Sequence[int]) -> np.ndarray:
    """dilations: one for each axis, 1 where elements stay next to each other."""
    return dilated(x, dilations, between.reshape(())).copy()


register(Op("Dilate", dilate, infer))
