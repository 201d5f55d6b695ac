"""Seeded random numbers that any model can be fed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from random import Random
from typing import TYPE_CHECKING

import numpy as np

from .boxed import TEXT, is_boxed
from .errors import InputError

if TYPE_CHECKING:
    from .model import Model

Arrays = dict[str, np.ndarray]
AT_ONCE = 1 << 24
"""Random bytes that the standard library is asked for in one call."""


def random_inputs(model: Model, shapes: Mapping[str, tuple[int, ...]], seed: int) -> Arrays:
    """Seeded arrays: standard normal floats, 8-bit integers over their whole range, other integers 0 or 1, booleans;
    text that the model looks up, or has among its constants. InputError where a sequence or an optional value is
    wanted."""
    random, found = Random(seed), Arrays()
    for name, shape in shapes.items():
        info = model.inputs[name]
        if info.dtype == TEXT:
            found[name] = _random_text(random, model, shape)
        elif is_boxed(info.dtype):
            raise InputError(f"input {info} has to be given: nothing says what is in it")
        else:
            found[name] = _random(random, info.dtype, shape)
    return found


def _random_text(random: Random, model: Model, shape: tuple[int, ...]) -> np.ndarray:
    graph = model.graph
    texts = {name: value.data for name, value in graph.values.items() if value.data is not None and value.dtype == TEXT}
    keys = [texts[node.inputs[1]] for node in graph.nodes if node.op == "Lookup" and node.inputs[1] in texts]
    constants = keys or list(texts.values())
    known = [text for data in constants for text in data.reshape(-1).tolist()] or ["text"]
    found = np.empty(math.prod(shape), TEXT)
    found[:] = random.choices(known, k=len(found))
    return found.reshape(shape)


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
