"""TextLookup: where each text is among keys.

So what labels, categories and vocabularies say of text is said of numbers, by operators that have kernels.
"""

from __future__ import annotations

import numpy as np

from .registry import Context, Cost, Inferred, Op, register
from .text import require_text


def infer(ctx: Context) -> list[Inferred]:
    require_text(ctx, 0)
    keys = require_text(ctx, 1)
    if len(keys.shape) != 1:
        raise ctx.error(f"its keys are of shape {keys.shape}, not one dimension")
    return [(ctx.input(0).shape, np.dtype(np.int64))]


def text_lookup(x: np.ndarray, keys: np.ndarray) -> np.ndarray:
    """int64 of x's shape: the first place of each text in keys, as many as there are keys for what is none of them."""
    places = {key: place for place, key in reversed([*enumerate(keys.tolist())])}
    found = [places.get(text, len(keys)) for text in x.reshape(-1).tolist()]
    return np.array(found, np.int64).reshape(x.shape)


def cost(ctx: Context) -> Cost:
    return Cost(100 * (ctx.input(0).size + ctx.input(1).size), 100 * ctx.input(1).size)


register(Op("TextLookup", text_lookup, infer, cost=cost, text=True, keeps_shape=True))
