"""Attributes of windows at both ends of what a file can say: an answer, or an error that names the node."""

from __future__ import annotations

import random
from collections.abc import Iterator

import numpy as np
import pytest
from session_models import node_graph

from millijoule.runtime.errors import Error
from millijoule.runtime.evaluate import reference
from millijoule.runtime.evaluate.shapes import instantiate
from millijoule.runtime.graph import Attribute, Graph, Node
from millijoule.runtime.model import Model
from millijoule.runtime.session import load

LARGE = [3, 7, 2**31 - 1, 2**31, 2**40, 2**61, 2**62 - 1, 2**62, 2**63 - 1]
DECLARED = 1 << 20
IMAGES = {"x": (1, 8, 8, 4)}
WEIGHTS = np.ones((4, 2, 2, 4), np.float32)
POOLS, PRODUCTS = ("MaxPool", "AveragePool"), ("Conv", "ConvTranspose")


def drawn(op: str) -> Iterator[Graph]:
    rng = random.Random(op)

    def numbers(count: int, least: int) -> list[int]:
        return [rng.choice(LARGE) if rng.random() < 0.3 else rng.choice([least, 1, 2]) for _ in range(count)]

    for _ in range(400):
        attrs: dict[str, Attribute] = {"strides": numbers(2, 1), "dilations": numbers(2, 1), "pads": numbers(4, 0)}
        attrs["auto_pad"] = rng.choice(["NOTSET", "SAME_UPPER", "VALID"])
        if op in PRODUCTS:
            graph = node_graph(Node(op, ["x", "w"], ["y"], attrs, "drawn"), inputs=IMAGES)
            graph.add_constant("w", WEIGHTS)
        else:
            attrs |= {"kernel_shape": numbers(2, 1), "ceil_mode": rng.choice([0, 1])}
            graph = node_graph(Node(op, ["x"], ["y"], attrs, "drawn"), inputs=IMAGES)
        yield graph


@pytest.mark.parametrize("op", [*POOLS, *PRODUCTS])
def test_windows_of_any_number(op: str) -> None:
    feeds = {"x": np.random.default_rng(0).normal(size=IMAGES["x"]).astype(np.float32)}
    answers = 0
    for graph in drawn(op):
        try:
            if sum(tensor.size for tensor in instantiate(graph, IMAGES).tensors.values()) > DECLARED:
                continue
            with load(Model(graph), threads=1) as session:
                found = session.run(feeds)["y"]
        except Error as problem:
            assert f"{op} 'drawn'" in str(problem)
            continue
        np.testing.assert_allclose(found, reference.run(graph, feeds)["y"], rtol=1e-5, atol=1e-5)
        answers += 1
    assert answers > 20
