"""Indices that come as tensors: counted from the front and proved to lie inside."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..errors import ModelError
from .registry import Context, Tensor


def wrap(indices: np.ndarray, size: int | np.ndarray) -> np.ndarray:
    """int64 indices into a dimension of this size, negative ones counted from its end; ModelError outside it.

    size may be an array that broadcasts against indices.
    """
    wide = indices.astype(np.int64)
    outside = (wide < -size) | (wide >= size)
    if outside.any():
        raise ModelError(f"index {wide[outside].flat[0]} is out of range for a dimension of size {size}")
    return np.where(wide < 0, wide + size, wide)


def positions(indices: np.ndarray, axis: int, shape: Sequence[int]) -> tuple[np.ndarray, ...]:
    """What GatherElements and ScatterElements index: every element's own position, but for axis, where indices say."""
    grid = list(np.ogrid[tuple(slice(dim) for dim in indices.shape)])
    grid[axis] = wrap(indices, shape[axis])
    return tuple(grid)


def check_element_indices(ctx: Context, data: Tensor, indices: Tensor, axis: int) -> None:
    """ModelError unless indices are integers of data's rank and not beyond data except along axis."""
    fits = len(data.shape) == len(indices.shape) and all(
        wanted <= there for i, (wanted, there) in enumerate(zip(indices.shape, data.shape, strict=True)) if i != axis
    )
    if not fits:
        raise ctx.error(f"indices of shape {indices.shape} do not fit into data of shape {data.shape} (axis {axis})")
