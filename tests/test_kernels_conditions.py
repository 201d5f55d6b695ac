"""Comparisons, boolean operators and Where as kernels."""

from __future__ import annotations

import numpy as np
import pytest
from kernel_cases import TARGETS, Output, check_model, check_node, const, feed, node_model

pytestmark = pytest.mark.skipif(not TARGETS, reason="this system runs no compiled kernels")

BOOL = [Output("bool")]
SHAPES: list[tuple[tuple[int, ...], tuple[int, ...]]] = [
    ((5, 100), (5, 100)),
    ((5, 100), (100,)),
    ((5, 100), (5, 1)),
    ((40, 6), (1,)),
    ((3,), (3,)),
    ((), ()),
]


def values(dtype: str, *shape: int, seed: int = 0) -> np.ndarray:
    """Few different ones, so that many are equal; NaN and infinities among floats, the extremes among integers."""
    random = np.random.default_rng([seed, *shape])
    if dtype == "bool":
        return random.integers(0, 2, shape).astype(bool)
    if dtype == "float32":
        return random.choice(
            np.array([0, -0.0, 1, -2, 1e-40, -1e-40, 2e-40, np.inf, -np.inf, np.nan], np.float32), shape
        )
    limits = np.iinfo(dtype)
    return random.choice(np.array([limits.min, limits.max, 0, 1, 3], dtype), shape)


@pytest.mark.parametrize(
    ("op", "dtype", "target"),
    [
        *(("LessOrEqual", "float32", target) for target in TARGETS),
        *(("Greater", "int64", target) for target in TARGETS),
        *(("Equal", dtype, "host") for dtype in ("float32", "int32", "bool")),
        *((op, "float32", "host") for op in ("Less", "Greater", "GreaterOrEqual")),
        *(("Less", dtype, "host") for dtype in ("uint8", "int8")),
        *((op, "bool", "host") for op in ("And", "Or", "Xor")),
    ],
)
def test_comparison(op: str, dtype: str, target: str) -> None:
    for a, b in SHAPES:
        check_node(op, [feed(values(dtype, *a)), feed(values(dtype, *b, seed=1))], BOOL, target=target)


@pytest.mark.parametrize(("op", "dtype"), [("Not", "bool"), ("IsNaN", "float32")])
def test_of_one_tensor(op: str, dtype: str) -> None:
    for size in (1, 15, 16, 200):
        check_node(op, [feed(values(dtype, size))], BOOL)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("dtype", ["float32", "int64"])
def test_where(dtype: str, target: str) -> None:
    for a, b in SHAPES:
        condition, x, y = values("bool", *a), values(dtype, *b), values(dtype, *a, seed=2)
        for kind in (feed, const):
            check_node("Where", [feed(condition), kind(x), feed(y)], [Output(dtype)], target=target)
    operands = [feed(values("bool", 7, 1, 33)), feed(values(dtype, 5, 1)), const(values(dtype, 1))]
    check_node("Where", operands, [Output(dtype)], target=target)


def test_other_dtypes_are_left_to_numpy() -> None:
    operands = [feed(values("int16", 9)), feed(values("int16", 9, seed=1))]
    check_model(*node_model("Less", operands, BOOL), numpy_steps=1)
    operands = [feed(values("bool", 9)), *operands]
    check_model(*node_model("Where", operands, [Output("int16")]), numpy_steps=1)
