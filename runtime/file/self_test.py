"""Inputs that travel with a model, and the outputs that they should give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import numpy as np

from ..boxed import is_boxed
from ..errors import ModelError
from ..graph import Graph, Value

MOST_CASES: Final = 64
MOST_BYTES: Final = 64 << 20
"""Of all inputs and outputs of a self-test together."""


class Case(NamedTuple):
    """Arrays by name, for all of the graph's inputs and outputs. outputs: as the NumPy references compute them."""

    inputs: Mapping[str, np.ndarray]
    outputs: Mapping[str, np.ndarray]


class Arrays(NamedTuple):
    """A case as files hold it: in the order of the graph's inputs and outputs."""

    inputs: list[np.ndarray]
    outputs: list[np.ndarray]


def in_order(cases: Sequence[Case], graph: Graph) -> list[Arrays]:
    """ModelError where a case is none of this graph's, or all of them are too large."""
    for number, case in enumerate(cases):
        for side, names, arrays in (("input", graph.inputs, case.inputs), ("output", graph.outputs, case.outputs)):
            if set(names) != arrays.keys():
                raise ModelError(f"self-test {number} has the {side}s {sorted(arrays)}; the model's are {names}")
    found = [
        Arrays([case.inputs[name] for name in graph.inputs], [case.outputs[name] for name in graph.outputs])
        for case in cases
    ]
    _check(found, graph)
    return found


def by_name(cases: Sequence[Arrays], graph: Graph) -> list[Case]:
    """ModelError as `in_order`."""
    _check(cases, graph)
    return [
        Case(dict(zip(graph.inputs, case.inputs, strict=True)), dict(zip(graph.outputs, case.outputs, strict=True)))
        for case in cases
    ]


def total_bytes(cases: Sequence[Case]) -> int:
    """Bytes of all arrays of the cases."""
    return sum(array.nbytes for case in cases for side in case for array in side.values())


def _check(cases: Sequence[Arrays], graph: Graph) -> None:
    if len(cases) > MOST_CASES:
        raise ModelError(f"a self-test has {len(cases)} inputs; at most {MOST_CASES} are held")
    for number, case in enumerate(cases):
        if any(is_boxed(graph.values[name].dtype) for name in (*graph.inputs, *graph.outputs)):
            raise ModelError("a self-test holds tensors of numbers, and the model takes or gives something else")
        for side, names, arrays in (("input", graph.inputs, case.inputs), ("output", graph.outputs, case.outputs)):
            if len(names) != len(arrays):
                raise ModelError(f"self-test {number} has {len(arrays)} {side}s; the model has {len(names)}")
            for name, array in zip(names, arrays, strict=True):
                _check_array(f"self-test {number}, {side} '{name}'", array, graph.values[name])
    size = sum(array.nbytes for case in cases for side in case for array in side)
    if size > MOST_BYTES:
        raise ModelError(
            f"a self-test of {len(cases)} inputs with their outputs takes {size} bytes, above the limit of {MOST_BYTES}"
        )


def _check_array(what: str, array: np.ndarray, value: Value) -> None:
    declared = value.shape
    fits = declared is None or (
        len(declared) == array.ndim
        and all(isinstance(dim, str) or dim == size for dim, size in zip(declared, array.shape, strict=True))
    )
    if array.dtype != value.dtype or not fits:
        raise ModelError(
            f"{what} is {array.dtype} of shape {array.shape}; the model declares {value.dtype} of shape {declared}"
        )
    if array.dtype == np.bool_ and array.size and array.view(np.uint8).max() > 1:
        raise ModelError(f"{what} holds booleans that are neither 0 nor 1")
