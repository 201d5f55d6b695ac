"""Text that is known at conversion: an int64 value of places in a list of texts stands for it.

So the names of a classifier's classes become 0, 1, ... where the model chooses among them, and its labels. Whoever
reads what such numbers stand for gets a value of text (runtime/boxed.py), as text is that the model is fed with.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...runtime.boxed import TEXT
from .call import Call
from .handlers import LEARNED
from .job import Job
from .scope import Scope

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


def places_of(data: np.ndarray) -> Coded:
    """A tensor of text as places, in its shape."""
    places, names = coded(data.reshape(-1).tolist())
    return places.reshape(data.shape), names


def of(call: Call, name: str) -> list[str] | None:
    """The texts that a value's numbers stand for; None where they stand for themselves."""
    return call.scope.job.texts.get(name)


def note(call: Call, position: int, texts: list[str]) -> None:
    """The node's result there stands for texts."""
    if call.wants(position):
        call.scope.job.texts[call.outputs[position]] = texts


def constant(scope: Scope, hint: str, texts: Sequence[str]) -> str:
    """A constant of text, of one dimension."""
    data = np.empty(len(texts), TEXT)
    data[:] = texts
    return scope.builder.add_constant(hint, data)


def written(scope: Scope, name: str) -> str:
    """The value of text that the numbers of a value stand for."""
    names, key = scope.job.texts[name], (name, id(scope.builder.graph))
    found = scope.job.written.get(key)
    data = scope.builder.constant(name)
    if found is None and data is not None:
        stored = np.array(names, TEXT)[data]
        found = scope.builder.add_constant(f"{name}.text", np.asarray(stored, TEXT))
        scope.job.written[key] = found
    if found is None:
        found = scope.job.unique(f"{name}.text")
        scope.builder.emit("Gather", [constant(scope, f"{name}.texts", names), name], [found], {"axis": 0}, found)
        scope.job.written[key] = found
    return found


def prepare(call: Call, domain: str) -> None:
    """Before the node is converted: text for what it reads of it, but where it may as well have numbers."""
    if (domain, call.op) in MOVERS | READERS:
        return
    call.inputs = [written(call.scope, name) if of(call, name) is not None else name for name in call.inputs]


def follow(call: Call, domain: str) -> None:
    """After the node was converted: what it moved is still text."""
    texts = of(call, call.inputs[0]) if call.inputs and (domain, call.op) in MOVERS else None
    if texts is not None:
        note(call, 0, texts)


def labels(job: Job, outputs: Sequence[str]) -> list[str] | None:
    """What the first output that is text by its numbers may be; None where none is."""
    return next((job.texts[name] for name in outputs if name in job.texts), None)


def named_apart(scope: Scope, outputs: Sequence[str]) -> list[str]:
    """A model's outputs, where those are text that the labels do not say."""
    said = labels(scope.job, outputs)
    return [written(scope, name) if scope.job.texts.get(name, said) != said else name for name in outputs]
