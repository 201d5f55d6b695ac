"""Tile: the tensor repeated along each dimension."""

from __future__ import annotations

import numpy as np

from .checks import integer_vector
from .registry import Context, Inferred, Op, register


def infer(ctx: Context) -> list[Inferred]:
    data, repeats = ctx.input(0), integer_vector(ctx, 1)
    if repeats is None or len(repeats) != len(data.shape) or any(count < 0 for count in repeats):
        raise ctx.error(f"repeats {repeats} must be a count for each of the {len(data.shape)} dimensions")
    return [(tuple(dim * count for dim, count in zip(data.shape, repeats, strict=True)), data.dtype)]


def tile(data: np.ndarray, repeats: np.ndarray) -> np.ndarray:
    return np.tile(data, repeats.reshape(-1).tolist())


register(Op("Tile", tile, infer, moves_data=True, text=True))
