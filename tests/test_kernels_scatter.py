"""ScatterElements' and ScatterND's kernels against their references: any axis, reduction and number of updates of one
place, and what happens where an index is out of range."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_cases import INTEGER_TARGETS, TARGETS, Output, check_model, check_node, const, feed, run_model
from session_models import node_graph

from millijoule.runtime.errors import ModelError
from millijoule.runtime.evaluate import reference
from millijoule.runtime.graph import Node
from millijoule.runtime.model import Model
from millijoule.runtime.session import load

REDUCTIONS = ["none", "add", "mul", "max", "min"]
REDUCED = ["float32", "int32", "int64"]
KINDS = ["float32", "float64", "float16", "int8", "uint8", "int16", "bool", "int64", "uint32"]
ROWS = [((9,), 1), ((9, 1), 1), ((9, 3), 1), ((4, 5, 6), 1), ((4, 5, 6), 2), ((4, 5, 6), 3), ((6, 70), 1), ((6, 33), 1)]
ELEMENTS = [
    ((9,), (20,), 0), ((5, 6, 7), (5, 6, 7), 0), ((5, 6, 7), (9, 6, 7), 0), ((5, 6, 7), (5, 9, 7), 1),
    ((5, 6, 7), (5, 6, 9), 2), ((5, 6, 7), (2, 3, 4), 1), ((5, 6, 7), (1, 1, 1), -1), ((5, 6, 7), (3, 20, 1), 1),
    ((1, 8, 1), (1, 30, 1), 1), ((3, 1, 4), (3, 1, 4), 1),
]  # fmt: skip
"""Shapes of data and indices, and the axis: more than one update of most places."""


def drawn(shape: tuple[int, ...], dtype: str, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.normal(size=shape).astype(dtype) if dtype == "float32" else rng.integers(0, 100, shape).astype(dtype)


def places(size: int, shape: tuple[int, ...], dtype: str, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(-size, size, shape).astype(dtype)


def coordinates(shape: tuple[int, ...], where: tuple[int, ...], dtype: str) -> np.ndarray:
    return np.concatenate([places(n, (*where, 1), dtype, seed) for seed, n in enumerate(shape)], -1)


def check(op: str, arrays: list[np.ndarray], **options: Any) -> None:
    dtype = arrays[0].dtype.name
    kernels = check_node(op, [feed(array) for array in arrays], [Output(dtype)], **options)
    assert any(name.startswith("scatter.") for name in kernels)


@pytest.mark.parametrize("target", INTEGER_TARGETS)
@pytest.mark.parametrize("dtype", REDUCED)
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_elements(reduction: str, dtype: str, target: str) -> None:
    for data, where, axis in ELEMENTS:
        index = places(data[axis], where, "int32" if len(data) == 1 else "int64")
        arrays = [drawn(data, dtype), index, drawn(where, dtype, 2)]
        check("ScatterElements", arrays, target=target, axis=axis, reduction=reduction)


@pytest.mark.parametrize("target", INTEGER_TARGETS)
@pytest.mark.parametrize("dtype", REDUCED)
@pytest.mark.parametrize("reduction", REDUCTIONS)
def test_rows(reduction: str, dtype: str, target: str) -> None:
    for data, depth in ROWS:
        for where in ((1,), (20,), (3, 4)):
            index = coordinates(data[:depth], where, "int32" if where == (20,) else "int64")
            arrays = [drawn(data, dtype), index, drawn((*where, *data[depth:]), dtype, 2)]
            check("ScatterND", arrays, target=target, reduction=reduction)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("dtype", KINDS)
def test_elements_of_any_size(dtype: str, target: str) -> None:
    arrays = [drawn((5, 6), dtype), places(6, (5, 9), "int64"), drawn((5, 9), dtype, 2)]
    check("ScatterElements", arrays, target=target, axis=1)
    for width in (1, 3, 70):
        index = coordinates((6,), (8,), "int64")
        check("ScatterND", [drawn((6, width), dtype), index, drawn((8, width), dtype, 2)], target=target)


@pytest.mark.parametrize("op", ["ScatterElements", "ScatterND"])
@pytest.mark.parametrize("dtype", REDUCED)
@pytest.mark.parametrize("reduction", ["max", "min", "add", "mul"])
def test_extremes(reduction: str, dtype: str, op: str) -> None:
    """NaN, which stays, infinities, both zeros and the ends of integers, which wrap."""
    if dtype == "float32":
        few = np.array([np.nan, np.inf, -np.inf, -0.0, 0.0, 3e38, -3e38, 1.5], dtype)
    else:
        few = np.array([np.iinfo(dtype).min, np.iinfo(dtype).max, -1, 0, 7], dtype)
    rng = np.random.default_rng(3)
    data, updates, index = rng.choice(few, (40, 9)), rng.choice(few, (60, 9)), places(40, (60, 9), "int64")
    with np.errstate(all="ignore"):
        if op == "ScatterND":
            check(op, [data, index[:, :1], updates], reduction=reduction)
        else:
            check(op, [data, index, updates], axis=0, reduction=reduction)


@pytest.mark.parametrize("reduction", ["none", "add"])
def test_sums_are_in_the_order_of_the_updates(reduction: str) -> None:
    """Bit for bit, on several threads too."""
    data, updates = drawn((300, 70), "float32"), drawn((300, 500), "float32", 1) * 1e6
    arrays = [feed(data), feed(places(70, (300, 500), "int64")), feed(updates)]
    for threads in (1, 2):
        check_node("ScatterElements", arrays, threads=threads, axis=1, reduction=reduction)
    rows = [feed(data), feed(places(300, (900, 1), "int64")), feed(drawn((900, 70), "float32", 2) * 1e6)]
    for threads in (1, 2):
        check_node("ScatterND", rows, threads=threads, reduction=reduction)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_shape(data: st.DataObject) -> None:
    shape = data.draw(st.lists(st.integers(1, 5), min_size=1, max_size=4).map(tuple))
    axis = data.draw(st.integers(0, len(shape) - 1))
    where = tuple(data.draw(st.integers(1, 7 if at == axis else n)) for at, n in enumerate(shape))
    reduction, dtype = data.draw(st.sampled_from(REDUCTIONS)), data.draw(st.sampled_from(REDUCED))
    arrays = [drawn(shape, dtype), places(shape[axis], where, "int64"), drawn(where, dtype, 2)]
    check("ScatterElements", arrays, axis=axis, reduction=reduction)


def test_constants_stay_what_they_are() -> None:
    data, index, updates = drawn((6, 5), "float32"), places(6, (8, 1), "int64"), drawn((8, 5), "float32", 2)
    check_node("ScatterND", [const(data), feed(index), feed(updates)])
    graph = node_graph(
        Node("ScatterND", ["x", "i", "u"], ["a"]), Node("ScatterND", ["x", "i", "u"], ["b"], {"reduction": "add"}),
        Node("Concat", ["a", "b", "x"], ["y"], {"axis": 0}), inputs={"x": (6, 5), "i": (8, 1), "u": (8, 5)},
    )  # fmt: skip
    graph.values["i"].dtype = np.dtype(np.int64)
    check_model(Model(graph), {"x": data, "i": index, "u": updates})


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("wrong", [30, -31, 2**62, -(2**63), 2**63 - 1])
@pytest.mark.parametrize(("op", "where"), [("ScatterElements", (64, 40)), ("ScatterND", (64, 1))])
def test_an_index_out_of_range_is_an_error_and_the_next_run_is_none(
    op: str, where: tuple[int, ...], wrong: int, threads: int
) -> None:
    node = Node(op, ["x", "i", "u"], ["y"], {"reduction": "add"}, "put")
    graph = node_graph(node, inputs={"x": (30, 40), "i": where, "u": (64, 40)})
    graph.values["i"].dtype = np.dtype(np.int64)
    model, index = Model(graph), places(30, where, "int64")
    feeds = {"x": drawn((30, 40), "float32"), "i": index, "u": drawn((64, 40), "float32", 2)}
    bad = index.copy()
    bad.flat[40] = wrong
    want = reference.run(graph, feeds)["y"]
    for target in ("host", "numpy"):
        with load(model, target=target, threads=threads) as session:
            for _ in range(2):
                found = f"{op} 'put' cannot be computed.*index {wrong} is out of range for a dimension of size 30"
                with pytest.raises(ModelError, match=found):
                    session.run({**feeds, "i": bad})
                np.testing.assert_array_equal(session.run(feeds)["y"], want)


@pytest.mark.parametrize(("dtype", "index"), [("float64", "int64"), ("float32", "uint8")])
def test_what_has_no_kernel(dtype: str, index: str) -> None:
    graph = node_graph(
        Node("ScatterND", ["x", "i", "u"], ["y"], {"reduction": "add"}), inputs={"x": (6, 5), "i": (8, 1), "u": (8, 5)}
    )
    for name, kind in (("x", dtype), ("i", index), ("u", dtype), ("y", dtype)):
        graph.values[name].dtype = np.dtype(kind)
    indices = np.abs(places(6, (8, 1), "int8")).astype(index) % 6
    feeds = {"x": drawn((6, 5), dtype), "i": indices, "u": drawn((8, 5), dtype, 2)}
    got, kernels = run_model(Model(graph), feeds, numpy_steps=1)
    assert not kernels
    np.testing.assert_array_equal(got["y"], reference.run(graph, feeds)["y"])
