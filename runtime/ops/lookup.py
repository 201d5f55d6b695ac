"""Lookup: where each text, or number, is among keys.

So what labels, categories and vocabularies say of text is said of numbers, by operators that have kernels.
"""

from __future__ import annotations

from typing import Any
from weakref import ref

import numpy as np

from ..boxed import TEXT
from .checks import same_dtype
from .registry import Context, Cost, Inferred, Op, register

KEPT = 64
_known: dict[int, tuple[ref[np.ndarray], dict[Any, int]]] = {}
"""By the identity of an array of keys, which is nobody's else while the array is there."""


def infer(ctx: Context) -> list[Inferred]:
    x, keys = ctx.input(0), ctx.input(1)
    same_dtype(ctx, [x, keys])
    if len(keys.shape) != 1:
        raise ctx.error(f"its keys are of shape {keys.shape}, not one dimension")
    return [(x.shape, np.dtype(np.int64))]


def lookup(x: np.ndarray, keys: np.ndarray, *, strict: int = 0) -> np.ndarray:
    """int64 of x's shape: the first place of each element in keys, as many as there are keys for what is none of them,
    or a ValueError with `strict`."""
    places = _places(keys)
    found = [places.get(item, len(keys)) for item in x.reshape(-1).tolist()]
    if strict and len(keys) in found:
        unknown = x.reshape(-1)[found.index(len(keys))]
        raise ValueError(f"{unknown!r:.40} is none of its {len(keys)} categories")
    return np.array(found, np.int64).reshape(x.shape)


def _places(keys: np.ndarray) -> dict[Any, int]:
    """Kept for keys that are asked for again, as constants are at every run."""
    known = _known.get(id(keys))
    if known is not None and known[0]() is keys:
        return known[1]
    found = {key: place for place, key in reversed([*enumerate(keys.tolist())])}
    if keys.dtype == TEXT:
        if len(_known) >= KEPT:
            _known.clear()
        _known[id(keys)] = ref(keys), found
    return found


def cost(ctx: Context) -> Cost:
    return Cost(100 * (ctx.input(0).size + ctx.input(1).size), 100 * ctx.input(1).size)


register(Op("Lookup", lookup, infer, cost=cost, text=True, keeps_shape=True))
