"""Inverse: square matrices' inverses, as perspective transforms and filters compute them (onnxruntime's own domain)."""

from __future__ import annotations

from contextlib import suppress

import numpy as np

from .checks import FLOATS, require_kind
from .registry import Context, Cost, Inferred, Op, register


def infer(ctx: Context) -> list[Inferred]:
    x = ctx.input(0)
    require_kind(ctx, x, FLOATS)
    if len(x.shape) < 2 or x.shape[-1] != x.shape[-2]:
        raise ctx.error(f"input of shape {x.shape} holds no square matrices")
    return [(x.shape, x.dtype)]


def inverse(x: np.ndarray) -> np.ndarray:
    """A matrix that has no inverse becomes NaN, and leaves the others of its batch alone."""
    matrices = x.astype(np.result_type(x.dtype, np.float32))
    result = np.full_like(matrices, np.nan)
    for index in np.ndindex(matrices.shape[:-2]):
        with suppress(np.linalg.LinAlgError):
            result[index] = np.linalg.inv(matrices[index])
    return result.astype(x.dtype)


def _cost(ctx: Context) -> Cost:
    return Cost(ctx.input(0).size * max(ctx.input(0).shape[-1], 1))


register(Op("Inverse", inverse, infer, cost=_cost, keeps_shape=True))
