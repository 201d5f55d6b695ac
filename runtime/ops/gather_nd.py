"""GatherND: slices of data at the coordinates in the last dimension of indices, after batch_dims shared dimensions."""

from __future__ import annotations

import numpy as np

from .checks import INTEGERS, require_kind
from .indices import wrap
from .registry import Context, Inferred, Op, register


def infer(ctx: Context) -> list[Inferred]:
    data, indices, batch = ctx.input(0), ctx.input(1), ctx.attrs["batch_dims"]
    require_kind(ctx, indices, INTEGERS)
    shape, where = data.shape, indices.shape
    if not 0 <= batch < min(len(shape), len(where)) or shape[:batch] != where[:batch]:
        raise ctx.error(f"data {shape} and indices {where} do not share {batch} batch dimensions")
    depth = where[-1]
    if not 1 <= depth <= len(shape) - batch:
        raise ctx.error(f"indices of shape {where} give {depth} coordinates for data of shape {shape}")
    return [((*where[:-1], *shape[batch + depth :]), data.dtype)]


def gather_nd(data: np.ndarray, indices: np.ndarray, *, batch_dims: int = 0) -> np.ndarray:
    depth = indices.shape[-1]
    grid = np.ogrid[tuple(slice(dim) for dim in indices.shape[:-1])][:batch_dims]
    sizes = data.shape[batch_dims : batch_dims + depth]
    coordinates = [wrap(indices[..., i], size) for i, size in enumerate(sizes)]
    place = (*grid, *coordinates)
    return np.asarray(data[place])


register(Op("GatherND", gather_nd, infer, moves_data=True, text=True))
