"""ArgMax and ArgMin against their references: any axis, odd sizes, ties, NaN, infinities, both zeros, all elements."""

from __future__ import annotations

import numpy as np
import pytest
from kernel_cases import TARGETS, Output, check_node, feed

from millijoule.runtime.graph import Quantization

OPERATORS = ["ArgMax", "ArgMin"]
SHAPES = [((3, 21), 1), ((2, 5, 7), 1), ((40, 3), 0), ((5, 1), 1), ((2, 130), -1), ((1, 4, 4, 33), 3), ((2, 3, 50), 1)]
QUANT = Quantization(np.array([0.1], np.float32), np.array([3], np.int8))


def numbers(shape: tuple[int, ...], dtype: str) -> np.ndarray:
    """Few different ones, so that many are the largest."""
    rng = np.random.default_rng(len(shape) + shape[-1])
    if dtype == "float32":
        return rng.choice(np.array([-2.5, -0.0, 0.0, 1.5, 1e30], np.float32), shape)
    limits = np.iinfo(dtype)
    return rng.choice(np.array([limits.min, limits.min + 1, 0, 7, limits.max]), shape).astype(dtype)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("last", [0, 1])
@pytest.mark.parametrize("dtype", ["float32", "int32", "int8", "uint8"])
@pytest.mark.parametrize("op", OPERATORS)
def test_every_element(op: str, dtype: str, last: int, target: str) -> None:
    for shape, axis in SHAPES:
        attrs = {"axis": axis, "select_last_index": last, "keepdims": last}
        kernels = check_node(op, [feed(numbers(shape, dtype))], [Output("int64")], target=target, **attrs)
        assert any(name.startswith("positions.") for name in kernels)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("op", OPERATORS)
def test_what_is_no_number(op: str, axis: int, value: float) -> None:
    """NaN counts as the largest and the smallest."""
    x = np.random.default_rng(1).normal(size=(9, 40)).astype(np.float32)
    x[2, 3] = x[2, 38] = x[7, 3] = value
    x[4] = value
    for last in (0, 1):
        check_node(op, [feed(x)], [Output("int64")], axis=axis, select_last_index=last)


@pytest.mark.parametrize("dtype", ["float32", "int32", "int8"])
@pytest.mark.parametrize("op", OPERATORS)
def test_the_least_of_all_everywhere(op: str, dtype: str) -> None:
    least = -np.inf if dtype == "float32" else np.iinfo(dtype).min
    for count in (3, 16, 37):
        for last in (0, 1):
            x = np.full((2, count), least, dtype)
            check_node(op, [feed(x)], [Output("int64")], axis=1, select_last_index=last)


@pytest.mark.parametrize("op", OPERATORS)
def test_quantized_integers(op: str) -> None:
    for axis in (1, 2):
        x = np.random.default_rng(axis).integers(-128, 128, (2, 6, 70)).astype(np.int8)
        check_node(op, [feed(x, QUANT)], [Output("int64")], axis=axis)
