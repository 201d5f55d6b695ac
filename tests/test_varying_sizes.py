"""Sizes that vary from run to run: few kernels serve all of them, and give the same bits as those made for one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from kernel_cases import kernels_of

from millijoule.runtime.engine.engine import VARYING
from millijoule.runtime.graph import Graph, Node, Value
from millijoule.runtime.model import Model
from millijoule.runtime.session import load

SIZES = [40, 31, *range(1, 30), 33, 47, 64, 90]
LOOKED_AT = 3, 8, 17, 33, 90
WIDTH = 24


def real(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


# Nodes, constants, and how many kernels there may be for all sizes after the first, which have their own.
CASES: dict[str, tuple[list[Node], dict[str, np.ndarray], int]] = {
    "product": ([Node("MatMul", ["x", "w"], ["y"])], {"w": real(WIDTH, 50)}, 8),
    "product of few channels": ([Node("MatMul", ["x", "w"], ["y"])], {"w": real(WIDTH, 5)}, 8),
    "product of two": (
        [Node("Transpose", ["x"], ["t"], {"perm": [1, 0]}), Node("MatMul", ["x", "t"], ["y"])], {}, 40,
    ),
    "along": (
        [
            Node("Unsqueeze", ["x", "first"], ["u"]), Node("Conv", ["u", "w"], ["c"], {"pads": [1, 1]}),
            Node("Conv", ["c", "v"], ["y"], {"pads": [1, 1], "group": 32}),
        ],
        {"first": np.array([0]), "w": real(32, 3, WIDTH), "v": real(32, 3, 1)},
        20,
    ),
    "extremes": (
        [
            Node("Exp", ["x"], ["e"]), Node("ReduceMax", ["e", "first"], ["a"]),
            Node("Transpose", ["e"], ["t"], {"perm": [1, 0]}), Node("ReduceMin", ["t", "first"], ["b"]),
            Node("ReduceMax", ["b", "second"], ["m"]), Node("Sub", ["a", "m"], ["y"]),
        ],
        {"first": np.array([0]), "second": np.array([1])},
        20,
    ),
    "softmax": ([Node("Softmax", ["x"], ["y"], {"axis": 0})], {}, 18),
}  # fmt: skip


def model_of(nodes: Sequence[Node], constants: dict[str, np.ndarray]) -> Model:
    graph = Graph(nodes=list(nodes), inputs=["x"], outputs=["y"])
    graph.add_value(Value("x", np.dtype(np.float32), ("n", WIDTH)))
    for name in (name for node in nodes for name in node.outputs):
        graph.add_value(Value(name, np.dtype(np.float32)))
    for name, data in constants.items():
        graph.add_constant(name, data)
    return Model(graph)


@pytest.mark.parametrize("name", CASES)
def test_few_kernels_serve_any_size(name: str) -> None:
    nodes, constants, most = CASES[name]
    model, kernels = model_of(nodes, constants), set[str]()
    with load(model, threads=1) as session:
        for place, size in enumerate(SIZES):
            found = session.run({"x": real(size, WIDTH)})["y"]
            if place >= VARYING:
                kernels |= {*kernels_of(session)}
            if size not in LOOKED_AT:
                continue
            with load(model, threads=1) as alone:
                np.testing.assert_array_equal(found, alone.run({"x": real(size, WIDTH)})["y"])
    assert len(kernels) <= most, sorted(kernels)
