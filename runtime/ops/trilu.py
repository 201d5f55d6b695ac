"""Trilu: the upper or lower triangle of matrices from the k-th diagonal, zeros elsewhere."""

from __future__ import annotations

import numpy as np

from .checks import INTEGERS, require_kind
from .registry import Context, Inferred, Op, register


def infer(ctx: Context) -> list[Inferred]:
    data, k = ctx.input(0), ctx.optional(1)
    if len(data.shape) < 2:
        raise ctx.error(f"'{data.name}' must be a matrix or a stack of them, but has shape {data.shape}")
    if k is not None and (require_kind(ctx, k, INTEGERS) and k.size != 1):
        raise ctx.error("k must be one integer")
    return [(data.shape, data.dtype)]


def trilu(data: np.ndarray, k: np.ndarray | None = None, *, upper: int = 1) -> np.ndarray:
    rows, columns = np.ogrid[: data.shape[-2], : data.shape[-1]]
    diagonal = 0 if k is None else int(k.item())
    kept = columns - rows >= diagonal if upper else columns - rows <= diagonal
    return np.where(kept, data, np.zeros((), data.dtype))


register(Op("Trilu", trilu, infer, keeps_shape=True))
