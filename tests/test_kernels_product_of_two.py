"""MatMul of two tensors that are both fed: matrices of any size, leading dimensions that broadcast."""

from __future__ import annotations

import numpy as np
import pytest
from kernel_cases import TARGETS, check_node, const, feed, node_model, run_model

SHAPES = [
    ((7, 5), (5, 9)), ((1, 1), (1, 1)), ((64, 32), (32, 64)), ((12, 33, 16), (12, 16, 33)),
    ((2, 3, 7, 5), (2, 3, 5, 100)), ((3, 1, 7, 5), (4, 5, 31)), ((7, 5), (3, 5, 9)), ((2, 7, 5), (5, 9)),
    ((1, 1, 5), (1, 5, 1)), ((3, 40, 8), (1, 8, 130)),
]  # fmt: skip
SUM = 3e-6
"""What sums of 33 products of numbers near 1 may differ by in another order, relative to 10."""


def factors(a: tuple[int, ...], w: tuple[int, ...]) -> list[np.ndarray]:
    rng = np.random.default_rng(len(a) + w[-1])
    return [rng.normal(size=shape).astype(np.float32) for shape in (a, w)]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("a, w", SHAPES, ids=str)
def test_products(a: tuple[int, ...], w: tuple[int, ...], target: str) -> None:
    kernels = check_node("MatMul", [feed(x) for x in factors(a, w)], target=target, atol=10 * SUM)
    assert any("conv_f32" in name for name in kernels)


@pytest.mark.parametrize("target", TARGETS)
def test_bias_and_activation(target: str) -> None:
    bias = np.linspace(-1, 1, 21).astype(np.float32)
    operands = [*map(feed, factors((3, 9, 12), (3, 12, 21))), const(bias)]
    check_node("MatMul", operands, target=target, atol=10 * SUM, activation="Relu")


def test_infinities_stay_in_their_columns() -> None:
    """What lies beside a narrow matrix in packed memory is not multiplied into it."""
    a, w = factors((2, 6, 4), (2, 4, 5))
    w[0, 1, 2], w[1, 0, 4] = np.inf, np.nan
    check_node("MatMul", [feed(a), feed(w)], atol=10 * SUM)


def test_shared_by_threads() -> None:
    check_node("MatMul", [feed(x) for x in factors((2, 300, 96), (2, 96, 200))], threads=2, atol=100 * SUM)


def test_very_many_small_products_run_in_numpy() -> None:
    model, feeds = node_model("MatMul", [feed(x) for x in factors((300, 2, 3), (300, 3, 2))])
    assert not run_model(model, feeds, numpy_steps=1)[1]
