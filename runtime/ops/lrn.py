"""LRN, channels-last: every element divided by a power of the squares of its neighbouring channels."""

from __future__ import annotations

import numpy as np

from .checks import FLOATS, require_kind
from .registry import Context, Cost, Inferred, Op, register

POWER = 40
"""Cost.work of a power of one element."""


def lrn(x: np.ndarray, *, size: int, alpha: float = 1e-4, beta: float = 0.75, bias: float = 1.0) -> np.ndarray:
    """x / (bias + alpha / size * s) ** beta, s the sum of squares of channels c - (size-1)//2 .. c + size//2."""
    wide = np.result_type(x.dtype, np.float32)
    before, after = (min(reach, x.shape[-1]) for reach in ((size - 1) // 2, size // 2))
    squares = np.pad(np.square(x.astype(wide, copy=False)), [(0, 0)] * (x.ndim - 1) + [(before, after)])
    total = np.lib.stride_tricks.sliding_window_view(squares, before + after + 1, axis=-1).sum(axis=-1)
    return (x / (bias + alpha / size * total) ** beta).astype(x.dtype, copy=False)


def infer(ctx: Context) -> list[Inferred]:
    x, size = ctx.input(0), ctx.attrs["size"]
    if size < 1 or not x.shape:
        raise ctx.error(f"size {size} must be at least 1, over an input with channels")
    return [(x.shape, require_kind(ctx, x, FLOATS))]


def cost(ctx: Context) -> Cost:
    x = ctx.input(0)
    reach = min(ctx.attrs["size"], 2 * x.shape[-1] + 1)
    return Cost(x.size * (reach + POWER), 8 * x.size // max(1, x.shape[-1]) * (x.shape[-1] + reach) + 16 * x.size)


register(Op("LRN", lrn, infer, keeps_shape=True, cost=cost))
