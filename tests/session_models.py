"""Models for the tests of sessions: small graphs, and graphs that are large enough for several threads."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from millijoule.runtime.evaluate import reference
from millijoule.runtime.graph import Graph, Node, Quantization, Value
from millijoule.runtime.model import Model

FLOAT, INT8 = np.dtype(np.float32), np.dtype(np.int8)


def node_graph(*nodes: Node, inputs: Mapping[str, tuple[int | str, ...]], outputs: tuple[str, ...] = ("y",)) -> Graph:
    """Float32 throughout; constants are added by the caller."""
    graph = Graph(nodes=list(nodes), inputs=list(inputs), outputs=list(outputs))
    for name in (name for node in nodes for name in node.outputs):
        graph.add_value(Value(name, FLOAT))
    for name, shape in inputs.items():
        graph.add_value(Value(name, FLOAT, shape))
    return graph


def tiny_network() -> Model:
    """x (N, 5, 5, 3) -> y: one convolution, of which little has to be compiled, and one step for NumPy."""
    graph = node_graph(
        Node("Conv", ["x", "w"], ["features"], {"pads": [1, 1, 1, 1]}), Node("Round", ["features"], ["y"]),
        inputs={"x": ("N", 5, 5, 3)},
    )  # fmt: skip
    graph.add_constant("w", np.random.default_rng(0).normal(0, 1, (4, 3, 3, 3)).astype(np.float32))
    return Model(graph)


def float_network(size: int | str = 40, channels: int = 16, batch: int | str = 1) -> Model:
    """x (batch, size, size, 8) -> y, of convolutions of every kind; 19 million multiply-adds with the defaults."""
    rng = np.random.default_rng(1)
    graph = node_graph(
        Node("Conv", ["x", "w0", "b0"], ["wide"], {"pads": [1, 1, 1, 1], "activation": "Relu"}),
        Node("Conv", ["wide", "w1"], ["deep"], {"pads": [1, 1, 1, 1], "group": 4 * channels, "activation": "Relu6"}),
        Node("Conv", ["deep", "w2", "b2"], ["narrow"], {"strides": [2, 2]}),
        Node("Conv", ["narrow", "w3"], ["large"], {"pads": [2, 2, 2, 2]}),
        Node("Add", ["large", "narrow"], ["y"]),
        inputs={"x": (batch, size, size, 8)},
    )
    for name, shape in {
        "w0": (4 * channels, 3, 3, 8), "b0": (4 * channels,), "w1": (4 * channels, 3, 3, 1),
        "w2": (channels, 1, 1, 4 * channels), "b2": (channels,), "w3": (channels, 5, 5, channels),
    }.items():  # fmt: skip
        graph.add_constant(name, rng.normal(0, 0.2, shape).astype(np.float32))
    return Model(graph)


def int8_network(size: int = 32, channels: int = 32) -> Model:
    """x (1, size, size, channels) int8 -> y, of a 3x3, a depthwise and a 1x1 convolution; 13 million multiply-adds."""
    rng = np.random.default_rng(2)
    graph = Graph(inputs=["x"], outputs=["y"])
    quants = [Quantization.per_tensor(0.02, -3), Quantization.per_tensor(0.05, 4), Quantization.per_tensor(0.03, 0)]
    quants.append(Quantization.per_tensor(0.04, -128))
    shapes = [(channels, 3, 3, channels), (channels, 3, 3, 1), (2 * channels, 1, 1, channels)]
    values = ["x", "first", "second", "y"]
    graph.add_value(Value("x", INT8, (1, size, size, channels), quants[0]))
    for i, shape in enumerate(shapes):
        scales = rng.uniform(0.001, 0.01, shape[0]).astype(np.float32)
        zeros = np.zeros(shape[0], np.int32)
        weights = rng.integers(-127, 128, shape).astype(np.int8)
        graph.add_constant(f"w{i}", weights, Quantization(scales, zeros, 0))
        bias = rng.integers(-3000, 3000, shape[0]).astype(np.int32)
        graph.add_constant(f"b{i}", bias, Quantization(scales * quants[i].scale, zeros, 0))
        graph.add_value(Value(values[i + 1], INT8, None, quants[i + 1]))
        attrs = {"pads": [shape[1] // 2] * 4, "group": channels if i == 1 else 1, "activation": "Relu"}
        graph.nodes.append(Node("Conv", [values[i], f"w{i}", f"b{i}"], [values[i + 1]], attrs))
    return Model(graph)


def feeds_of(model: Model, seed: int = 0, **symbols: int) -> dict[str, np.ndarray]:
    """Normal floats, or integers over their dtype's whole range."""
    rng = np.random.default_rng(seed)
    feeds = {}
    for name, info in model.inputs.items():
        shape = [symbols[dim] if isinstance(dim, str) else dim for dim in info.shape or ()]
        if info.dtype.kind == "f":
            feeds[name] = rng.standard_normal(shape).astype(info.dtype)
        else:
            limits = np.iinfo(info.dtype)
            feeds[name] = rng.integers(limits.min, limits.max + 1, shape).astype(info.dtype)
    return feeds


def python(text: str, *arguments: str | Path, timeout: float = 120, **environment: str) -> subprocess.CompletedProcess:
    """Runs a script in an interpreter of its own, away from the checkout, whose folders are not packages."""
    return subprocess.run(
        [sys.executable, "-c", text, *map(str, arguments)],
        cwd=tempfile.gettempdir(), env={**os.environ, **environment}, capture_output=True, text=True, timeout=timeout,
    )  # fmt: skip


def agree(found: dict[str, np.ndarray], model: Model, feeds: dict[str, np.ndarray]) -> None:
    wanted = reference.run(model.graph, feeds)
    assert list(found) == list(wanted)
    for name, array in wanted.items():
        assert found[name].dtype == array.dtype
        np.testing.assert_allclose(found[name], array, rtol=1e-5, atol=1e-5)
