"""Reductions as kernels against the NumPy reference: any axes, float32 and quantized."""

from __future__ import annotations

import numpy as np
import pytest
from kernel_cases import TARGETS, Output, check_node, const, feed, node_model, program_of

from millijoule.runtime.graph import Quantization
from millijoule.runtime.program.program import PythonStep
from millijoule.runtime.session import load

RTOL, ATOL = 4e-6, 4e-6
"""Of float sums of up to some thousand elements of size 1, in another order."""
QUANT, OTHER = Quantization.per_tensor(0.02, -3), Quantization.per_tensor(0.031, 11)
FLOAT = ["ReduceSum", "ReduceMean", "ReduceMax", "ReduceMin", "ReduceProd", "ReduceL1", "ReduceL2", "ReduceSumSquare"]

AXES: list[tuple[tuple[int, ...], tuple[int, ...]]] = [
    ((2, 2, 3, 20), (1, 2)),
    ((6, 20), (0,)),
    ((3, 6, 20), (-2,)),
    ((2, 3, 3, 20), (0, 2)),
    ((2, 1, 6, 20), (1, 2)),
    ((2, 600, 20), (1,)),
    ((3, 4, 5), (1, 2)),
    ((9, 1, 20), (2,)),
    ((2, 1, 20, 1), (3, 2)),
    ((20,), (0,)),
]


def floats(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def bytes_(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(-128, 128, shape).astype(np.int8)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("shape, axes", AXES, ids=str)
def test_axes(shape: tuple[int, ...], axes: tuple[int, ...], target: str) -> None:
    where, quantized = const(np.array(axes, np.int64)), feed(bytes_(*shape), QUANT)
    for keepdims in (0, 1):
        check_node("ReduceMean", [feed(floats(*shape)), where], target=target, rtol=RTOL, atol=ATOL, keepdims=keepdims)
        check_node("ReduceMean", [quantized, where], [Output("int8", OTHER)], target=target, keepdims=keepdims)


@pytest.mark.parametrize("shape, axes", AXES, ids=str)
def test_axes_of_extremes(shape: tuple[int, ...], axes: tuple[int, ...]) -> None:
    where, quantized = const(np.array(axes, np.int64)), feed(bytes_(*shape), QUANT)
    check_node("ReduceMax", [feed(floats(*shape)), where])
    check_node("ReduceMax", [quantized, where], [Output("int8", QUANT)])


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("operator", FLOAT)
def test_operators(operator: str, target: str) -> None:
    data = floats(3, 6, 20)
    for axes in ([1], [2]):
        check_node(operator, [feed(data), const(np.array(axes, np.int64))], target=target, rtol=RTOL, atol=ATOL)
    check_node(operator, [feed(data)], target=target, rtol=RTOL, atol=ATOL)


@pytest.mark.parametrize("target", TARGETS)
def test_logarithm_of_a_sum(target: str) -> None:
    data = np.abs(floats(3, 37))
    data[1] = 0
    check_node("ReduceLogSum", [feed(data), const(np.array([1]))], target=target, rtol=RTOL, atol=ATOL)


@pytest.mark.parametrize("target", TARGETS)
def test_quantized_sums_and_extremes(target: str) -> None:
    quantized, axes = feed(bytes_(2, 20, 30, 20), QUANT), const(np.array([1, 2]))
    sums = Quantization.per_tensor(1.7, 5)
    check_node("ReduceSum", [quantized, axes], [Output("int8", sums)], target=target)
    check_node("ReduceMean", [quantized, axes], [Output("int8", OTHER)], target=target)
    check_node("ReduceMin", [quantized, axes], [Output("int8", QUANT)], target=target)


@pytest.mark.parametrize("target", TARGETS)
def test_nan_and_infinities(target: str) -> None:
    data = floats(6, 20)
    data[0, 3], data[1, 19], data[2, 14] = np.nan, np.inf, -np.inf
    for operator in ("ReduceMax", "ReduceMin", "ReduceMean"):
        for axis in (0, 1):
            operands = [feed(data), const(np.array([axis]))]
            check_node(operator, operands, target=target, rtol=RTOL, atol=ATOL)


def test_what_has_no_kernel_runs_in_numpy() -> None:
    for data, axes in ((floats(2, 3, 4, 5, 6), [0, 2, 4]), (np.arange(6).reshape(2, 3), [1])):
        model, feeds = node_model("ReduceSum", [feed(data), const(np.array(axes))], [Output(str(data.dtype))])
        with load(model) as session:
            session.run(feeds)
            assert [type(step) for step in program_of(session).steps] == [PythonStep]
