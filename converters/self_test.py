"""Self-tests: inputs that a model may get, and what the NumPy references make of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import prod
from random import Random
from reprlib import repr as short
from typing import Any

import numpy as np

from ..runtime.boxed import is_boxed
from ..runtime.engine.feeds import check_feeds
from ..runtime.errors import InputError
from ..runtime.file.self_test import MOST_BYTES, MOST_CASES, Case, total_bytes
from ..runtime.model import Model
from ..runtime.random_inputs import random_bytes, random_inputs
from ..runtime.session import load
from ..runtime.vision.preprocess import as_input, layout_of, takes_image

Shapes = dict[str, tuple[int, ...]]
BLOCKS = (1, 4, 16)
"""Sides, in pixels, of the squares of one color that images are made of, in turn: many networks say the same of all
pictures that are noise alone."""


def make_self_test(model: Model, wanted: int | Sequence[Mapping[str, Any]]) -> list[Case]:
    """So many random inputs, or the given ones, each arrays by input name, with their outputs.

    Random inputs are what the model may get: pixels prepared as its preprocessing says, quantized integers over their
    whole range, standard normal numbers, other integers 0 or 1. InputError where the inputs are not the model's, or it
    has dimensions that only given inputs tell; where they are too many or too large.
    """
    if isinstance(wanted, bool) or not isinstance(wanted, (int, Sequence)):
        raise InputError(f"self_test={short(wanted)}: 1 to {MOST_CASES} random inputs, or a list of inputs is wanted")
    count = wanted if isinstance(wanted, int) else len(wanted)
    if not 0 <= count <= MOST_CASES:
        raise InputError(f"self_test: 1 to {MOST_CASES} inputs are wanted, not {wanted if wanted is count else count}")
    if any(is_boxed(info.dtype) for info in (*model.inputs.values(), *model.outputs.values())):
        raise InputError("self_test: it holds tensors of numbers, and the model takes or gives text or sequences")
    if isinstance(wanted, int):
        feeds = _random_feeds(model, wanted)
    else:
        feeds = [{name: array.copy() for name, array in check_feeds(model, one).items()} for one in wanted]
    _check_bytes(count, sum(array.nbytes for arrays in feeds for array in arrays.values()))
    with load(model, threads=1, target="numpy") as session:
        found = []
        for arrays in feeds:
            session.reset()
            session.resize({name: array.shape for name, array in arrays.items()})
            for name, array in arrays.items():
                session.inputs[name][...] = array
            session.invoke()
            found.append(Case(arrays, {name: array.copy() for name, array in session.outputs.items()}))
    _check_bytes(count, total_bytes(found))
    return found


def _check_bytes(count: int, size: int) -> None:
    if size > MOST_BYTES:
        raise InputError(
            f"self_test: {count} inputs with their outputs take {size} bytes or more, above the limit of {MOST_BYTES}: "
            "ask for fewer"
        )


def _random_feeds(model: Model, count: int) -> list[dict[str, np.ndarray]]:
    shapes = _shapes(model)
    _check_bytes(count, count * sum(prod(shape) * model.inputs[name].dtype.itemsize for name, shape in shapes.items()))
    feeds = []
    for seed in range(count):
        arrays = random_inputs(model, shapes, seed)
        arrays |= {
            name: image for name in shapes if (image := _random_image(model, name, shapes[name], seed)) is not None
        }
        feeds.append(arrays)
    return feeds


def _shapes(model: Model) -> Shapes:
    found: Shapes = {}
    for name, shape in model.input_shapes({}).items():
        if shape is not None and shape and isinstance(shape[0], str):
            shape = (1, *shape[1:])
        if shape is None or any(isinstance(size, str) for size in shape):
            raise InputError(
                f"self_test: input {model.inputs[name]} has no definite size: give inputs to test with "
                "(--self-test-data, in Python self_test=[{name: array}, ...])"
            )
        found[name] = tuple(int(size) for size in shape)
    return found


def _random_image(model: Model, name: str, shape: tuple[int, ...], seed: int) -> np.ndarray | None:
    """None where the input takes no image, or nothing is known of how it is prepared."""
    part, own = model.preparing(name)
    info, preprocessing = part.inputs[own], part.metadata.preprocessing
    if preprocessing is None or not takes_image(info):
        return None
    layout = layout_of(info, shape)
    if max(len(preprocessing.mean), len(preprocessing.std)) not in (1, layout.channels):
        return None
    assert layout.height is not None and layout.width is not None
    block = BLOCKS[seed % len(BLOCKS)]
    size = (-(-layout.height // block), -(-layout.width // block), layout.channels)
    squares = random_bytes(Random(seed), prod(size)).reshape(size)
    pixels = squares.repeat(block, axis=0).repeat(block, axis=1)[: layout.height, : layout.width]
    return as_input(pixels, info, layout, preprocessing)
