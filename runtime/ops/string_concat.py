"""StringConcat: two texts that broadcast, each element of the second behind that of the first."""

from __future__ import annotations

import numpy as np

from .checks import broadcast
from .registry import Context, Inferred, Op, register
from .text import array_of, require_text


def infer(ctx: Context) -> list[Inferred]:
    x, y = require_text(ctx, 0), require_text(ctx, 1)
    return [(broadcast(ctx, x.shape, y.shape), x.dtype)]


def string_concat(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    x, y = np.broadcast_arrays(x, y)
    return array_of((a + b for a, b in zip(x.flat, y.flat, strict=True)), x.shape)


register(Op("StringConcat", string_concat, infer, text=True, broadcasts=True))
