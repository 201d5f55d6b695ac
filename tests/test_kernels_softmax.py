"""Softmax as kernels: int8 bit for bit, float32 against the NumPy reference."""

from __future__ import annotations

import numpy as np
import pytest
from kernel_cases import TARGETS, Output, check_node, feed, node_model

from millijoule.runtime.graph import Quantization
from millijoule.runtime.session import load

RTOL = 2e-6
"""Of an exponential of 3 ulp, a sum in another order and a reciprocal."""
ATOL = 2e-6
"""Of logarithms of probabilities, which may be near 0."""
PROBABILITY = Quantization.per_tensor(1 / 256, -128)
COUNTS = [1, 2, 3, 4, 10, 12, 16, 65, 1001]


def floats(*shape: int) -> np.ndarray:
    return (4 * np.random.default_rng(0).normal(size=shape)).astype(np.float32)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("count", COUNTS)
def test_int8(count: int, target: str) -> None:
    data = np.random.default_rng(0).integers(-128, 128, (5, count)).astype(np.int8)
    data[1] = -128
    for scale, quant in ((0.1, PROBABILITY), (0.01, Quantization.per_tensor(0.003, 7))):
        operand = feed(data, Quantization.per_tensor(scale, 3))
        check_node("Softmax", [operand], [Output("int8", quant)], target=target)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("count", COUNTS)
@pytest.mark.parametrize("operator", ["Softmax", "LogSoftmax"])
def test_float(operator: str, count: int, target: str) -> None:
    check_node(operator, [feed(floats(5, count))], target=target, rtol=RTOL, atol=ATOL)
    check_node(operator, [feed(floats(count))], target=target, rtol=RTOL, atol=ATOL)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("axis", [0, 1, -2])
def test_other_axes(axis: int, target: str) -> None:
    check_node("Softmax", [feed(floats(3, 5, 7, 2))], target=target, rtol=RTOL, axis=axis)
    data = np.random.default_rng(0).integers(-128, 128, (3, 5, 7, 2)).astype(np.int8)
    operand = feed(data, Quantization.per_tensor(0.1, 3))
    check_node("Softmax", [operand], [Output("int8", PROBABILITY)], target=target, axis=axis)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("count", [4, 37])
def test_nan_and_infinities(count: int, target: str) -> None:
    data = floats(5, count)
    data[0, 1], data[1, 2], data[2, 3], data[3] = np.nan, np.inf, -np.inf, -np.inf
    for operator in ("Softmax", "LogSoftmax"):
        check_node(operator, [feed(data)], target=target, rtol=RTOL, atol=ATOL)


@pytest.mark.parametrize("target", TARGETS)
def test_large_arguments(target: str) -> None:
    data = floats(3, 37) * 1000 + np.float32(1e6)
    check_node("Softmax", [feed(data)], target=target, rtol=RTOL)
    check_node("LogSoftmax", [feed(data)], target=target, rtol=RTOL)


def test_many_short_rows_and_two_threads() -> None:
    model, feeds = node_model("Softmax", [feed(floats(50000, 2))])
    with load(model, threads=1) as one, load(model, threads=2) as two:
        found = one.run(feeds)["y0"]
        np.testing.assert_array_equal(found, two.run(feeds)["y0"])
        np.testing.assert_allclose(found.sum(axis=1), 1, rtol=RTOL)
