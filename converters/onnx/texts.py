"""Text, which has no place in a graph: an int64 value of places in a list of texts stands for it.

So the names of a classifier's classes become 0, 1, ... where the model chooses among them, and its labels.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from onnx import TensorProto

from ...runtime.errors import ModelError
from .call import Call
from .handlers import LEARNED
from .job import Job, Unsupported
from .tensors import held_shape

Coded = tuple[np.ndarray, list[str]]
"""int64 places, and the texts that they are places of."""

MOVERS = frozenset(
    {("", op) for op in ("Flatten", "Gather", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze")}
    | {(LEARNED, "ArrayFeatureExtractor")}
)
"""Operators that move elements of their first input, whatever these are."""
READERS = frozenset({(LEARNED, "LabelEncoder"), ("", "Cast")})
"""Operators whose handlers ask for the texts themselves."""


def coded(texts: Sequence[str]) -> Coded:
    names = list(dict.fromkeys(texts))
    places = {name: place for place, name in enumerate(names)}
    return np.array([places[text] for text in texts], np.int64), names


def decoded(tensor: TensorProto) -> Coded:
    """A tensor of text. ModelError where it is damaged."""
    where = f"tensor '{tensor.name}'"
    shape = held_shape(tensor.dims, np.dtype(np.int64), where)
    try:
        texts = [item.decode() for item in tensor.string_data]
    except UnicodeDecodeError:
        raise ModelError(f"{where}: an element is not UTF-8 text") from None
    count = int(np.prod(shape, dtype=np.int64))
    if len(texts) != count:
        raise ModelError(f"{where}: shape {list(shape)} needs {count} elements, found {len(texts)}")
    places, names = coded(texts)
    return places.reshape(shape), names


def of(call: Call, name: str) -> list[str] | None:
    """The texts that a value's numbers stand for; None where they stand for themselves."""
    return call.scope.job.texts.get(name)


def note(call: Call, position: int, texts: list[str]) -> None:
    """The node's result there stands for texts."""
    if call.wants(position):
        call.scope.job.texts[call.outputs[position]] = texts


def check(call: Call, domain: str) -> None:
    """Unsupported where the node computes with text."""
    key = (domain, call.op)
    if any(of(call, name) is not None for name in call.inputs) and key not in MOVERS | READERS:
        raise Unsupported("it reads text, of which only what a classifier calls its classes can be converted")


def follow(call: Call, domain: str) -> None:
    """After the node was converted: what it moved is still text."""
    texts = of(call, call.inputs[0]) if call.inputs and (domain, call.op) in MOVERS else None
    if texts is not None:
        note(call, 0, texts)


def labels(job: Job, outputs: Sequence[str]) -> list[str] | None:
    """What the first output that is text may be; None where none is."""
    return next((job.texts[name] for name in outputs if name in job.texts), None)
