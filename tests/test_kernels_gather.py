"""The kernels of Gather, GatherND and GatherElements against their references, and what an index out of range is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from kernel_cases import TARGETS, Output, check_model, check_node, const, feed
from session_models import node_graph

from millijoule.runtime.errors import ModelError
from millijoule.runtime.graph import Node
from millijoule.runtime.model import Model
from millijoule.runtime.session import load

KINDS = ["float32", "int8", "uint8", "bool", "int64", "float16"]
Given = Callable[[np.ndarray], Any]


def drawn(shape: tuple[int, ...], dtype: str, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 100, shape).astype(dtype)


def places(size: int, shape: tuple[int, ...], dtype: str, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(-size, size, shape).astype(dtype)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("given", [feed, const])
@pytest.mark.parametrize("index", ["int32", "int64"])
@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_gather_along_any_axis(axis: int, index: str, given: Given, target: str) -> None:
    data = drawn((5, 6, 7), "float32")
    for where in ((), (3,), (2, 4), (1, 1, 9)):
        inputs = [given(data), feed(places(data.shape[axis], where, index))]
        check_node("Gather", inputs, [Output("float32")], target=target, axis=axis)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("dtype", KINDS)
@pytest.mark.parametrize("width", [1, 2, 3, 8, 33, 70])
def test_rows_of_any_length(width: int, dtype: str, target: str) -> None:
    inputs = [feed(drawn((9, width), dtype)), feed(places(9, (11,), "int64"))]
    check_node("Gather", inputs, [Output(dtype)], target=target, axis=0)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("index", ["int32", "int64"])
@pytest.mark.parametrize(("depth", "batch"), [(1, 0), (2, 0), (3, 0), (1, 1), (2, 1), (1, 2)])
def test_gather_nd(depth: int, batch: int, index: str, target: str) -> None:
    data = drawn((4, 5, 6, 3), "float32")
    for where in ((), (3,), (2, 5)):
        parts = [places(data.shape[batch + at], (*data.shape[:batch], *where, 1), index, at) for at in range(depth)]
        if batch + len(where):
            inputs = [feed(data), feed(np.concatenate(parts, -1))]
            check_node("GatherND", inputs, [Output("float32")], target=target, batch_dims=batch)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("dtype", KINDS)
@pytest.mark.parametrize("axis", [0, 1, 2, -1])
def test_gather_elements(axis: int, dtype: str, target: str) -> None:
    """Of indices that are as large as the data along other axes, and smaller."""
    data = drawn((5, 6, 7), dtype)
    for where in ((5, 6, 7), (5, 6, 3), (2, 6, 7), (5, 1, 7), (1, 1, 1), (3, 4, 1), (1, 6, 1)):
        inputs = [feed(data), feed(places(data.shape[axis], where, "int32" if where[0] == 2 else "int64"))]
        kernels = check_node("GatherElements", inputs, [Output(dtype)], target=target, axis=axis)
        assert any(name.startswith("gather.gather_elements") for name in kernels)


@pytest.mark.parametrize("given", [feed, const])
@pytest.mark.parametrize(
    ("data", "where", "axis"),
    [
        ((7,), (20,), 0), ((1,), (3,), 0), ((6, 5), (9, 5), 0), ((6, 5), (6, 1), 1), ((2, 3, 4, 5), (2, 3, 9, 5), 2),
        ((2, 3, 4, 5), (1, 2, 4, 4), 3), ((1, 8, 1), (1, 30, 1), 1), ((300, 60), (300, 90), 1),
        ((3, 1, 4), (3, 1, 4), 1),
    ],
)  # fmt: skip
def test_gather_elements_of_any_shape(data: tuple[int, ...], where: tuple[int, ...], axis: int, given: Given) -> None:
    inputs = [given(drawn(data, "float32")), feed(places(data[axis], where, "int64"))]
    for threads in (1, 2):
        check_node("GatherElements", inputs, threads=threads, axis=axis)


def test_gather_elements_of_a_transposed_value() -> None:
    graph = node_graph(
        Node("Transpose", ["x"], ["t"], {"perm": [1, 0]}), Node("Slice", ["t", "s", "e", "a"], ["c"]),
        Node("GatherElements", ["c", "i"], ["y"], {"axis": 0}), inputs={"x": (4, 9), "i": (5, 3)},
    )  # fmt: skip
    for name, numbers in (("s", [1, 1]), ("e", [8, 4]), ("a", [0, 1])):
        graph.add_constant(name, np.array(numbers))
    graph.values["i"].dtype = np.dtype(np.int64)
    check_model(Model(graph), {"x": drawn((4, 9), "float32"), "i": places(7, (5, 3), "int64")})


def gather_model(op: str, data: tuple[int, ...], where: tuple[int, ...]) -> Model:
    graph = node_graph(Node(op, ["x", "i"], ["y"], {}, "picked"), inputs={"x": data, "i": where})
    graph.values["i"].dtype = np.dtype(np.int64)
    return Model(graph)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("wrong", [3, -4, 2**62, -(2**63), 2**63 - 1])
@pytest.mark.parametrize(("op", "where"), [("Gather", (64,)), ("GatherND", (64, 1)), ("GatherElements", (2, 32))])
def test_an_index_out_of_range_is_an_error_and_the_next_run_is_none(
    op: str, where: tuple[int, ...], wrong: int, threads: int
) -> None:
    x, i = drawn((3, 4096), "float32"), places(3, where, "int64")
    bad = i.copy()
    bad.flat[40] = wrong
    for target in ("host", "numpy"):
        with load(gather_model(op, x.shape, where), target=target, threads=threads) as session:
            for _ in range(2):
                found = f"{op} 'picked' cannot be computed.*index {wrong} is out of range for a dimension of size 3"
                with pytest.raises(ModelError, match=found):
                    session.run({"x": x, "i": bad})
                want = np.take_along_axis(x[:, :32], i, 0) if op == "GatherElements" else x[i.reshape(-1)]
                np.testing.assert_array_equal(session.run({"x": x, "i": i})["y"], want)
