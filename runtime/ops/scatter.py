"""ScatterElements and ScatterND: a copy of data with updates written, or reduced, into the indexed places.

Without a reduction the last of several updates of one place stays; ONNX leaves that open.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .checks import INTEGERS, normalize_axis, require_kind, same_dtype
from .indices import check_element_indices, positions, wrap
from .registry import Context, Inferred, Op, register

REDUCTIONS = {"add": np.add, "mul": np.multiply, "max": np.maximum, "min": np.minimum}


def check(ctx: Context) -> None:
    require_kind(ctx, ctx.input(1), INTEGERS)
    same_dtype(ctx, [ctx.input(0), ctx.input(2)])
    reduction = ctx.attrs["reduction"]
    if reduction != "none" and reduction not in REDUCTIONS:
        raise ctx.error(f"reduction '{reduction}' is none of none, {', '.join(REDUCTIONS)}")


def infer_elements(ctx: Context) -> list[Inferred]:
    check(ctx)
    data, indices, updates = (ctx.input(index) for index in range(3))
    check_element_indices(ctx, data, indices, normalize_axis(ctx, ctx.attrs["axis"], len(data.shape)))
    if updates.shape != indices.shape:
        raise ctx.error(f"updates {updates.shape} and indices {indices.shape} must have one shape")
    return [(data.shape, data.dtype)]


def infer_nd(ctx: Context) -> list[Inferred]:
    check(ctx)
    data, indices, updates = (ctx.input(index) for index in range(3))
    if not indices.shape or not 1 <= indices.shape[-1] <= len(data.shape):
        raise ctx.error(f"indices of shape {indices.shape} are no coordinates in data of shape {data.shape}")
    wanted = (*indices.shape[:-1], *data.shape[indices.shape[-1] :])
    if updates.shape != wanted:
        raise ctx.error(f"updates have shape {updates.shape}, but must have {wanted}")
    return [(data.shape, data.dtype)]


def write(data: np.ndarray, index: tuple[np.ndarray, ...], updates: np.ndarray, reduction: str) -> np.ndarray:
    result = data.copy()
    if reduction == "none":
        result[index] = updates
    else:
        ufunc: Any = REDUCTIONS[reduction]
        ufunc.at(result, index, updates)
    return result


def scatter_elements(
    data: np.ndarray, indices: np.ndarray, updates: np.ndarray, *, axis: int = 0, reduction: str = "none"
) -> np.ndarray:
    return write(data, positions(indices, axis, data.shape), updates, reduction)


def scatter_nd(data: np.ndarray, indices: np.ndarray, updates: np.ndarray, *, reduction: str = "none") -> np.ndarray:
    coordinates = tuple(wrap(indices[..., i], data.shape[i]) for i in range(indices.shape[-1]))
    return write(data, coordinates, updates, reduction)


register(Op("ScatterElements", scatter_elements, infer_elements, keeps_shape=True))
register(Op("ScatterND", scatter_nd, infer_nd, keeps_shape=True))
