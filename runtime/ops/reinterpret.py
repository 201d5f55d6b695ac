"""Reinterpret: the same stored integers under another meaning, plain integers or quantized real numbers."""

from __future__ import annotations

import numpy as np

from .checks import INTEGERS
from .registry import Context, Inferred, Op, register


def reinterpret(x: np.ndarray) -> np.ndarray:
    """What the integers mean before and after, the tensors themselves say."""
    return x


def _stored(ctx: Context, x: np.ndarray) -> np.ndarray:
    return x


def infer(ctx: Context) -> list[Inferred]:
    x = ctx.input(0)
    if x.dtype.kind not in INTEGERS:
        raise ctx.error(f"'{x.name}' is {x.dtype}; it takes integers")
    return [(x.shape, x.dtype)]


register(Op("Reinterpret", reinterpret, infer, quantized=_stored, elementwise=True))
