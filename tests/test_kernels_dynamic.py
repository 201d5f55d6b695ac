"""DynamicMatMul's kernels against their reference: rows and columns of any number, biases, activations, odd rows."""

from __future__ import annotations

import numpy as np
import pytest
from kernel_cases import INTEGER_TARGETS, Operand, Output, check_node, const, feed


def weights(inner: int, columns: int) -> list[Operand]:
    """With the largest weights that there are."""
    rng = np.random.default_rng(inner * columns)
    b = rng.integers(-127, 128, (inner, columns)).astype(np.int8)
    b[0] = 127
    return [const(b), const(rng.uniform(0.001, 0.01, columns).astype(np.float32))]


@pytest.mark.parametrize("target", INTEGER_TARGETS)
@pytest.mark.parametrize("columns", [1, 17, 64, 100])
@pytest.mark.parametrize("inner", [1, 3, 16, 130])
@pytest.mark.parametrize("rows", [1, 2, 7, 40])
def test_sums_are_exact(rows: int, inner: int, columns: int, target: str) -> None:
    x = np.random.default_rng(rows).normal(size=(rows, inner)).astype(np.float32)
    check_node("DynamicMatMul", [feed(x), *weights(inner, columns)], [Output("float32")], target=target, rtol=0, atol=0)


@pytest.mark.parametrize("target", INTEGER_TARGETS)
@pytest.mark.parametrize("activation", [None, "Relu", "Gelu", "HardSwish"])
def test_bias_and_activation(activation: str | None, target: str) -> None:
    rng = np.random.default_rng(3)
    x, bias = (rng.normal(size=shape).astype(np.float32) for shape in ((2, 5, 24), 33))
    inputs = [feed(x), *weights(24, 33), const(bias)]
    # HardSwish and Gelu are within a few ulp of their references, which differ by how products are rounded.
    check_node("DynamicMatMul", inputs, [Output("float32")], target=target, activation=activation, rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("target", INTEGER_TARGETS)
def test_rows_without_a_scale(target: str) -> None:
    """Zeros, the smallest and the largest numbers, and numbers that are none, beside a row that has nothing of it."""
    x = np.random.default_rng(4).normal(size=(9, 20)).astype(np.float32)
    x[0], x[1], x[2] = 0, x[1] * np.float32(1e-36), x[2] * np.float32(1e37)
    x[3, 5], x[4, 19], x[5, 0] = np.nan, np.inf, -np.inf
    x[6], x[7, 1:] = -0.0, 0
    check_node("DynamicMatMul", [feed(x), *weights(20, 40)], [Output("float32")], target=target, rtol=0, atol=0)


def test_shared_by_threads() -> None:
    x = np.random.default_rng(5).normal(size=(400, 96)).astype(np.float32)
    check_node("DynamicMatMul", [feed(x), *weights(96, 300)], [Output("float32")], threads=2, rtol=0, atol=0)
