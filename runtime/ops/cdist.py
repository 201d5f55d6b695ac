"""CDist: distances between the rows of two matrices (onnxruntime's own domain)."""

from __future__ import annotations

import numpy as np

from .checks import FLOATS, require_kind, same_dtype
from .registry import Context, Cost, Inferred, Op, register


def infer(ctx: Context) -> list[Inferred]:
    a, b = ctx.input(0), ctx.input(1)
    require_kind(ctx, a, FLOATS)
    same_dtype(ctx, [a, b])
    if len(a.shape) != 2 or len(b.shape) != 2 or a.shape[1] != b.shape[1]:
        raise ctx.error(f"rows of {a.shape} and {b.shape} cannot be compared")
    if ctx.attrs["metric"] not in ("euclidean", "sqeuclidean"):
        raise ctx.error(f"metric '{ctx.attrs['metric']}' is none of euclidean, sqeuclidean")
    return [((a.shape[0], b.shape[0]), a.dtype)]


def c_dist(a: np.ndarray, b: np.ndarray, *, metric: str = "sqeuclidean") -> np.ndarray:
    wide = np.result_type(a.dtype, np.float32)
    squares = np.square(a[:, None].astype(wide) - b[None]).sum(-1)
    return (np.sqrt(squares) if metric == "euclidean" else squares).astype(a.dtype)


def macs(ctx: Context) -> int:
    return ctx.input(0).shape[0] * ctx.input(1).size


register(Op("CDist", c_dist, infer, macs=macs, cost=lambda ctx: Cost(4 * macs(ctx), 8 * macs(ctx))))
