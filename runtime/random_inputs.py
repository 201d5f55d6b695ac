"""Seeded random numbers that any model can be fed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from random import Random
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from .model import Model

Arrays = dict[str, np.ndarray]
AT_ONCE = 1 << 24
"""Random bytes that the standard library is asked for in one call."""


def random_inputs(model: Model, shapes: Mapping[str, tuple[int, ...]], seed: int) -> Arrays:
    """Seeded arrays: standard normal floats, 8-bit integers over their whole range, other integers 0 or 1, booleans."""
    random = Random(seed)
    return {name: _random(random, model.inputs[name].dtype, shape) for name, shape in shapes.items()}


def random_bytes(random: Random, count: int) -> np.ndarray:
    """uint8 over the whole range, by the standard library: importing numpy.random takes 6 MB of memory."""
    parts = (random.randbytes(min(AT_ONCE, count - done)) for done in range(0, count, AT_ONCE))
    return np.frombuffer(bytearray(b"".join(parts)), np.uint8)


def _random(random: Random, dtype: np.dtype, shape: tuple[int, ...]) -> np.ndarray:
    count = math.prod(shape)
    if dtype.kind == "f":
        radius, angle = _uniform(random, count), _uniform(random, count)
        return (np.sqrt(-2 * np.log(radius)) * np.cos(2 * np.pi * angle)).astype(dtype).reshape(shape)
    drawn = random_bytes(random, count)
    if dtype.kind in "iu" and dtype.itemsize == 1:
        return drawn.view(dtype).reshape(shape)
    return (drawn & 1).astype(dtype).reshape(shape)


def _uniform(random: Random, count: int) -> np.ndarray:
    """Floats between 0 and 1, never either."""
    return (random_bytes(random, 4 * count).view(np.uint32) + 0.5) / 2**32
