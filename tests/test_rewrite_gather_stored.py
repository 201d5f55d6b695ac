"""Rows of a table that a file stores in few bits are taken before they are made real."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from rewriting import Sketch, apply, assert_same

from millijoule.converters.rewrites.gather_stored import gather_stored
from millijoule.runtime.graph import Graph

ROWS, WIDTH = 300, 40


def same(graph: Graph) -> Graph:
    """After the rewrite, which changes no bit."""
    found = apply(graph, gather_stored)
    assert_same(graph, found, tolerance=0)
    return found


def integers(s: Sketch, dtype: str = "int8") -> str:
    return s.constant(s.random.integers(0, 100, (ROWS, WIDTH)).astype(dtype))


def cast(s: Sketch) -> str:
    return str(s.node("Cast", integers(s), to="float32"))


def halves(s: Sketch) -> str:
    return str(s.node("Cast", s.constant(s.random.normal(size=(ROWS, WIDTH)).astype(np.float16)), to="float32"))


def by_rows(s: Sketch) -> str:
    return str(s.node("Mul", s.node("Sub", cast(s), s.weights(ROWS, 1)), s.weights(ROWS, 1)))


def by_columns(s: Sketch) -> str:
    return str(s.node("Mul", s.weights(1, WIDTH), s.node("Add", cast(s), s.weights(WIDTH))))


def by_one(s: Sketch) -> str:
    return str(s.node("Mul", cast(s), s.constant(np.float32(0.1))))


TABLES: dict[str, tuple[Callable[[Sketch], str], int]] = {
    "cast": (cast, 1), "halves": (halves, 1), "by rows": (by_rows, 3), "by columns": (by_columns, 1),
    "by one": (by_one, 1),
}  # fmt: skip
"""And how many tables rows are taken of."""


@pytest.mark.parametrize("name", TABLES)
@pytest.mark.parametrize("shape", [(3,), (2, 3), ("n", 2, 1)], ids=str)
def test_rows_first(name: str, shape: tuple[int | str, ...]) -> None:
    s = Sketch()
    make, tables = TABLES[name]
    s.output(s.node("Gather", make(s), s.input(shape, "int64"), axis=0))
    found = same(s.graph)
    makers = {output: node for node in found.nodes for output in node.outputs}
    gathers = [node for node in found.nodes if node.op == "Gather"]
    assert len(gathers) == tables and not any(node.inputs[0] in makers for node in gathers)


def test_quantized_rows() -> None:
    s = Sketch()
    s.output(s.node("Gather", s.dequantize(integers(s), 0.1, 3), s.input((4,), "int64"), axis=0))
    assert [node.op for node in same(s.graph).nodes] == ["Gather", "DequantizeLinear"]


def scalar(s: Sketch) -> str:
    return str(s.node("Gather", cast(s), s.input((), "int64"), axis=0))


def other_axis(s: Sketch) -> str:
    places = s.node("Mod", s.input((3,), "int64"), s.ints(WIDTH))
    return str(s.node("Gather", cast(s), places, axis=1))


def fed(s: Sketch) -> str:
    return str(s.node("Gather", s.node("Add", cast(s), s.input((ROWS, 1))), s.input((3,), "int64"), axis=0))


def mixed(s: Sketch) -> str:
    return str(s.node("Gather", s.node("Softmax", cast(s), axis=0), s.input((3,), "int64"), axis=0))


@pytest.mark.parametrize("make", [scalar, other_axis, fed, mixed])
def test_others_stay(make: Callable[[Sketch], str]) -> None:
    s = Sketch()
    s.output(make(s))
    assert [node.op for node in same(s.graph).nodes] == [node.op for node in s.graph.nodes]
