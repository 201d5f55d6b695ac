"""Reductions, positions of extremes, running sums, Einsum and LayerNormalization against onnxruntime and NumPy."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from op_cases import run_onnxruntime, run_reference

from millijoule.runtime.errors import ModelError

RNG = np.random.default_rng(3)
X = RNG.normal(size=(3, 4, 5)).astype(np.float32)
POSITIVE = np.abs(X) + np.float32(0.1)
SMALL = RNG.integers(-4, 5, size=(3, 4, 2)).astype(np.int32)
REDUCTIONS = ["Mean", "Sum", "Max", "Min", "Prod", "L1", "L2", "LogSum", "LogSumExp", "SumSquare"]
AXES = [None, [0], [-1], [2, 0], [1, -1], []]


def ints(values: list[int]) -> np.ndarray:
    return np.array(values, np.int64)


@pytest.mark.parametrize("name", REDUCTIONS)
def test_reductions_agree_with_onnxruntime(name: str) -> None:
    op = f"Reduce{name}"
    for axes, keepdims, noop in product(AXES, (0, 1), (0, 1)):
        if noop and not axes and name not in ("Sum", "Mean", "Max"):
            continue  # onnxruntime returns its input where the specification asks for the elementwise part
        inputs = (POSITIVE,) if axes is None else (POSITIVE, ints(axes))
        attrs = {"keepdims": keepdims, "noop_with_empty_axes": noop}
        found = run_reference(op, *inputs, **attrs)[0]
        opset = 13 if name == "Sum" else 18
        wanted = run_onnxruntime(op, *inputs, opset=opset, **attrs)[0]
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6, strict=True)


@pytest.mark.parametrize("name", ["Mean", "Sum", "Max", "Min", "Prod", "SumSquare", "L1"])
def test_integer_reductions_agree_with_onnxruntime(name: str) -> None:
    for axes in ([0], [1, 2], [0, 1, 2]):
        inputs = (SMALL, ints(axes))
        found = run_reference(f"Reduce{name}", *inputs)[0]
        wanted = run_onnxruntime(f"Reduce{name}", *inputs, opset=13 if name == "Sum" else 18)[0]
        np.testing.assert_array_equal(found, wanted, strict=True)


def test_without_axes_and_noop_only_the_elementwise_part_is_done() -> None:
    def run(op: str) -> np.ndarray:
        return run_reference(op, X, noop_with_empty_axes=1)[0]

    np.testing.assert_array_equal(run("ReduceSumSquare"), X * X)
    np.testing.assert_array_equal(run("ReduceL1"), np.abs(X))
    np.testing.assert_allclose(run("ReduceLogSumExp"), X, rtol=1e-6)


@pytest.mark.parametrize(
    ("name", "identity"),
    [
        ("Sum", 0),
        ("Prod", 1),
        ("Max", -np.inf),
        ("Min", np.inf),
        ("L2", 0),
        ("LogSum", -np.inf),
        ("LogSumExp", -np.inf),
    ],
)
def test_over_no_elements(name: str, identity: float) -> None:
    found = run_reference(f"Reduce{name}", np.zeros((2, 0, 3), np.float32), ints([1]))[0]
    np.testing.assert_array_equal(found, np.full((2, 1, 3), identity, np.float32), strict=True)


def test_log_sum_exp_neither_overflows_nor_loses_infinities() -> None:
    rows = np.array([[1000, 1000], [-np.inf, -np.inf], [np.inf, 0], [-2000, -2000]], np.float32)
    found = run_reference("ReduceLogSumExp", rows, ints([1]), keepdims=0)[0]
    np.testing.assert_allclose(found, [1000 + np.log(2), -np.inf, np.inf, -2000 + np.log(2)], rtol=1e-6)


def test_extremes_of_booleans_and_half_precision_sums() -> None:
    assert run_reference("ReduceMax", np.array([[True, False], [False, False]]), ints([1]))[0].tolist() == [
        [True],
        [False],
    ]
    halves = np.full((1, 4096), 0.1, np.float16)
    assert abs(float(run_reference("ReduceSum", halves)[0][0, 0]) - 409.6) < 0.5


@pytest.mark.parametrize("op", ["ArgMax", "ArgMin"])
def test_positions_of_extremes(op: str) -> None:
    for axis, keepdims, last in product((0, 1, -1), (0, 1), (0, 1)):
        attrs = {"axis": axis, "keepdims": keepdims, "select_last_index": last}
        found = run_reference(op, SMALL, **attrs)[0]
        np.testing.assert_array_equal(found, run_onnxruntime(op, SMALL, **attrs)[0], strict=True)


def test_arg_max_of_nothing_is_refused() -> None:
    with pytest.raises(ModelError, match="no elements along axis 0"):
        run_reference("ArgMax", np.zeros((0, 3), np.float32))


@pytest.mark.parametrize(("exclusive", "reverse"), [(0, 0), (0, 1), (1, 0), (1, 1)])
@pytest.mark.parametrize("axis", [0, -1])
def test_running_sums(axis: int, exclusive: int, reverse: int) -> None:
    for data in (X, SMALL):
        inputs, attrs = (data, np.array(axis)), {"exclusive": exclusive, "reverse": reverse}
        found = run_reference("CumSum", *inputs, **attrs)[0]
        np.testing.assert_allclose(found, run_onnxruntime("CumSum", *inputs, **attrs)[0], rtol=1e-5, strict=True)


A, B = RNG.normal(size=(2, 3, 4)).astype(np.float32), RNG.normal(size=(2, 4, 5)).astype(np.float32)
SQUARE = RNG.normal(size=(4, 4)).astype(np.float32)


@pytest.mark.parametrize(
    ("equation", "inputs"),
    [
        ("bij, bjk -> bik", (A, B)),
        ("bij,bjk", (A, B)),
        ("ii->i", (SQUARE,)),
        ("ii", (SQUARE,)),
        ("...ij,jk->...ik", (A, SQUARE)),
        ("i...->...", (A,)),
        ("Bij,Bjk,kl->Bl", (A, B, B[0].T.copy())),
        ("ij->ji", (SQUARE,)),
        ("bij->", (A,)),
    ],
)
def test_einsum(equation: str, inputs: tuple[np.ndarray, ...]) -> None:
    found = run_reference("Einsum", *inputs, equation=equation)[0]
    wanted = run_onnxruntime("Einsum", *inputs, equation=equation)[0]
    np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-5, strict=True)


@pytest.mark.parametrize(
    "equation",
    ["bij->", "bij,bjk->bil", "bij,bj->b", "bij,bjk->bb", "bij,b1k->b", "b......ij,bjk->b", "bij,bik->i", ""],
)
def test_einsum_refuses(equation: str) -> None:
    with pytest.raises(ModelError, match="Einsum 'tested'"):
        run_reference("Einsum", A, B, equation=equation)


@pytest.mark.parametrize("axis", [-1, 1, 0])
def test_layer_normalization(axis: int) -> None:
    inputs = (X, RNG.random(X.shape[axis:], np.float32), RNG.random(X.shape[-1:], np.float32))
    attrs: dict[str, Any] = {"axis": axis, "epsilon": 1e-3}
    found = run_reference("LayerNormalization", *inputs[: 2 + (axis == -1)], outputs=3, **attrs)
    wanted = run_onnxruntime("LayerNormalization", *inputs[: 2 + (axis == -1)], outputs=3, **attrs)
    for ours, theirs in zip(found, wanted, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5, strict=True)
