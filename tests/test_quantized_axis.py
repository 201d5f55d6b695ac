"""Integers quantized along an axis, in and out of every kind of operator, mean the real numbers that they stand for."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

from millijoule import Model, load
from millijoule.runtime.graph import Graph, Node, Quantization, Value
from millijoule.runtime.ops.integer import dequantize, quantize
from millijoule.runtime.ops.registry import find

RNG = np.random.default_rng(0)
SHAPE = (2, 4, 4, 4)
"""Alike in all axes but one, so that a scale of another axis fits and only its numbers are wrong."""
OPERATORS: list[tuple[str, int, dict[str, Any], list[Any]]] = [
    ("MaxPool", 1, {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}, []),
    ("AveragePool", 1, {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1]}, []),
    ("GlobalAveragePool", 1, {}, []),
    ("GlobalMaxPool", 1, {}, []),
    *((op, 2, {}, []) for op in ("Add", "Sub", "Mul", "Max")),
    ("Concat", 2, {"axis": 3}, []),
    *((op, 1, {}, []) for op in ("Relu", "Sigmoid", "Neg", "Identity", "Requantize", "Softmax")),
    ("Clip", 1, {}, [np.float32(-0.5), np.float32(1.5)]),
    ("Transpose", 1, {"perm": [0, 2, 1, 3]}, []),
    ("Reshape", 1, {}, [np.array([4, 2, 4, 4])]),
    ("Pad", 1, {}, [np.array([0, 0, 1, 0, 0, 0, -1, 0])]),
    ("Slice", 1, {}, [np.array([3]), np.array([-5]), np.array([1]), np.array([-1])]),
    ("Gather", 1, {"axis": 1}, [np.array([3, 0, 2, 2])]),
    ("ReduceMean", 1, {}, [np.array([1, 2])]),
    ("ReduceMax", 1, {}, [np.array([1])]),
    ("Resize", 1, {}, [None, None, np.array([2, 4, 4, 4])]),
    ("Conv", 1, {"pads": [1, 1, 1, 1]}, [Quantization(np.array([0.02], np.float32), np.array([0], np.int32))]),
]


def quantization(dtype: np.dtype, shape: tuple[int, ...], axis: int | None) -> Quantization:
    count = 1 if axis is None else shape[axis]
    middle = 0 if dtype == np.int8 else 128
    zeros = RNG.integers(middle - 20, middle + 20, count).astype(np.int32)
    return Quantization(RNG.uniform(0.01, 0.1, count).astype(np.float32), zeros, axis)


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
@pytest.mark.parametrize(("op", "count", "attrs", "rest"), OPERATORS, ids=[row[0] for row in OPERATORS])
def test_integers_along_an_axis(op: str, count: int, attrs: dict[str, Any], rest: list[Any], dtype: str) -> None:
    kind, operator = np.dtype(dtype), find(op)
    assert operator is not None
    attrs = attrs | ({"to": dtype} if op == "Requantize" else {})
    for x_axis, y_axis in product((None, 1, 3), repeat=2):
        graph, inputs, reals = Graph(), list[str](), list[Any]()
        feeds = dict[str, np.ndarray]()
        for name in "ab"[:count]:
            quant = quantization(kind, SHAPE, x_axis if name == "a" else None)
            inputs.append(graph.add_value(Value(name, kind, SHAPE, quant)))
            feeds[name] = RNG.integers(np.iinfo(kind).min, np.iinfo(kind).max + 1, SHAPE).astype(kind)
            reals.append(dequantize(feeds[name], quant))
        graph.inputs = list(inputs)
        for item in rest:
            if isinstance(item, Quantization):
                weights = RNG.integers(-50, 50, (3, 3, 3, 4)).astype(np.int8)
                inputs.append(graph.add_constant("w", weights, item))
                reals.append(dequantize(weights, item))
            else:
                inputs.append("" if item is None else graph.add_constant("c", np.asarray(item)))
                reals.append(item)
        wanted = operator.reference(*reals, **attrs).astype(np.float32)
        quant = quantization(kind, wanted.shape, y_axis)
        graph.add_value(Value("y", kind, None, quant))
        graph.nodes, graph.outputs = [Node(op, inputs, ["y"], attrs)], ["y"]
        for target in ("numpy", "host"):
            with load(Model(graph), target=target, threads=1) as session:
                found = session.run(feeds)["y"]
            off = np.abs(found.astype(int) - quantize(wanted, quant, kind).astype(int))
            # Integer arithmetic rounds a result at a tie otherwise, and Softmax of integers has LiteRT's tables.
            assert off.max() <= 1, (x_axis, y_axis, target)
