"""Operators that pick, place and rearrange elements, against onnxruntime and by their definition."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from op_cases import run_onnxruntime, run_reference

from millijoule.runtime.errors import ModelError

RNG = np.random.default_rng(7)
X = RNG.normal(size=(3, 4, 5)).astype(np.float32)
ROW = RNG.integers(-9, 9, size=(2, 6)).astype(np.int32)


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def picks(size: int, *shape: int) -> np.ndarray:
    """Indices into a dimension of this size, counted from either end."""
    return RNG.integers(-size, size, size=shape)


def places(*shape: int) -> np.ndarray:
    """Indices along the last axis that name no place twice."""
    return np.argsort(RNG.random(shape), axis=-1)


BIG = 2**62
CASES: list[tuple[str, tuple[np.ndarray | None, ...], dict[str, Any], int]] = [
    ("Gather", (X, picks(3, 2, 2)), {}, 1),
    ("Gather", (X, picks(5, 7).astype(np.int32)), {"axis": -1}, 1),
    ("Gather", (X, np.array(-2)), {"axis": 1}, 1),
    ("Gather", (X, np.zeros((0, 2), np.int64)), {"axis": 1}, 1),
    ("GatherElements", (X, picks(4, 3, 7, 5)), {"axis": 1}, 1),
    ("GatherElements", (X, picks(3, 2, 4, 5)), {}, 1),
    ("GatherElements", (X, picks(5, 2, 3, 1)), {"axis": -1}, 1),
    ("GatherND", (X, picks(3, 2, 6, 2)), {}, 1),
    ("GatherND", (X, picks(3, 3)), {}, 1),
    ("GatherND", (X, picks(4, 3, 2, 1)), {"batch_dims": 1}, 1),
    ("GatherND", (X, picks(5, 3, 4, 1)), {"batch_dims": 2}, 1),
    ("ScatterElements", (X, places(3, 4, 5)[:, :, :2], RNG.random((3, 4, 2), np.float32)), {"axis": -1}, 1),
    ("ScatterElements", (X, picks(3, 5, 4, 5)[:, :2, :2], RNG.random((5, 2, 2), np.float32)), {"reduction": "add"}, 1),
    ("ScatterElements", (X, picks(3, 5, 4, 5), RNG.random((5, 4, 5), np.float32)), {"reduction": "mul"}, 1),
    ("ScatterElements", (X, picks(3, 5, 4, 5), RNG.random((5, 4, 5), np.float32)), {"reduction": "max"}, 1),
    ("ScatterElements", (X, picks(3, 5, 4, 5), RNG.random((5, 4, 5), np.float32)), {"reduction": "min"}, 1),
    ("ScatterND", (X, ints(2, 0).reshape(2, 1), RNG.random((2, 4, 5), np.float32)), {}, 1),
    ("ScatterND", (X, picks(3, 9, 2), RNG.random((9, 5), np.float32)), {"reduction": "add"}, 1),
    ("ScatterND", (X, picks(3, 9, 3), RNG.random(9, np.float32)), {"reduction": "max"}, 1),
    ("Split", (X,), {"axis": 1, "num_outputs": 2}, 2),
    ("Split", (X,), {"axis": 2, "num_outputs": 3}, 3),
    ("Split", (X, ints(1, 0, 3)), {"axis": -2}, 3),
    ("Slice", (X, ints(1), ints(3)), {}, 1),
    ("Slice", (X, ints(-3, 0), ints(BIG, -1), ints(-1, 0)), {}, 1),
    ("Slice", (X, ints(BIG, -1), ints(-BIG, 0), ints(1, 2), ints(-1, -2)), {}, 1),
    ("Slice", (X, ints(3), ints(1), ints(1)), {}, 1),
    ("Slice", (X, ints(-99, 1), ints(99, 4), ints(2, 1), ints(3, 2)), {}, 1),
    ("Slice", (ROW, ints(4).astype(np.int32), ints(-9).astype(np.int32), ints(1).astype(np.int32), None), {}, 1),
    ("Pad", (X, ints(1, 0, 2, 0, 3, 0)), {}, 1),
    ("Pad", (X, ints(1, 0, 2, 0, 3, 0), np.array(2.5, np.float32)), {}, 1),
    ("Pad", (X, ints(1, 2, -1, -2), np.array(7, np.float32), ints(-1, 0)), {}, 1),
    ("Pad", (X, ints(0, 2, 3, 0, 1, 4)), {"mode": "reflect"}, 1),
    ("Pad", (X, ints(2, 0, 3, 0, 1, 4)), {"mode": "edge"}, 1),
    ("Pad", (X, ints(1, -1, 3, 0, 1, -1)), {"mode": "edge"}, 1),
    ("Pad", (X, ints(2, 4, 0, 0, 1, 5)), {"mode": "wrap"}, 1),
    ("Pad", (ROW, ints(0, 1, 0, -2)), {}, 1),
    ("Concat", (X, X[:, :0], X[:, :2]), {"axis": 1}, 1),
    ("Concat", (X, X), {"axis": -1}, 1),
    ("Where", (X[0] > 0, X, np.zeros((3, 1, 1), np.float32)), {}, 1),
    ("Where", (np.array(True), X[0], X), {}, 1),
    ("OneHot", (picks(4, 2, 3), np.array(4), np.array([0.5, 2], np.float32)), {}, 1),
    ("OneHot", (ints(0, 5, -6, -1), np.array([5]), ints(3, 9)), {"axis": 0}, 1),
    ("OneHot", (picks(4, 2, 3), np.array(4), np.array([0, 1], np.float32)), {"axis": 1}, 1),
    ("Trilu", (X, None), {}, 1),
    ("Trilu", (X, np.array(-1)), {"upper": 0}, 1),
    ("Trilu", (X, np.array(2)), {}, 1),
    ("Trilu", (X, np.array(-9)), {"upper": 0}, 1),
    ("NonZero", (ROW % 3,), {}, 1),
    ("NonZero", (np.array(4.0, np.float32),), {}, 1),
    ("Compress", (X, np.array([False, True, True])), {"axis": 1}, 1),
    ("Compress", (X, np.array([True, False, True])), {}, 1),
    ("ReverseSequence", (X, ints(1, 3, 0, 2)), {}, 1),
    ("ReverseSequence", (X, ints(4, 1, 2)), {"batch_axis": 0, "time_axis": 1}, 1),
    ("TopK", (X, ints(3)), {}, 2),
    ("TopK", (ROW, ints(4)), {"largest": 0}, 2),
    ("TopK", (X, ints(2)), {"axis": 0}, 2),
    ("TopK", (ROW, ints(0)), {}, 2),
]


def identify(case: object) -> str | None:
    return case if isinstance(case, str) else None


@pytest.mark.parametrize(("op", "inputs", "attrs", "outputs"), CASES, ids=identify)
def test_agrees_with_onnxruntime(op: str, inputs: tuple, attrs: dict, outputs: int) -> None:
    found = run_reference(op, *inputs, outputs=outputs, **attrs)
    wanted = run_onnxruntime(op, *inputs, outputs=outputs, opset=19, **attrs)
    for ours, theirs in zip(found, wanted, strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-6, strict=True)


@pytest.mark.parametrize(
    ("op", "inputs", "attrs", "problem"),
    [
        ("Gather", (X, ints(0)), {"axis": 3}, "axis 3 is out of range"),
        ("GatherElements", (X, picks(3, 2, 6, 5)), {}, "do not fit"),
        ("GatherND", (X, picks(3, 4, 1)), {"batch_dims": 1}, "batch dimensions"),
        ("ScatterND", (X, picks(3, 9, 2), X), {}, "updates have shape"),
        ("ScatterElements", (X, picks(3, 3, 4, 5), X), {"reduction": "mean"}, "reduction 'mean'"),
        ("Split", (X, ints(1, 1)), {"axis": 1}, "do not make up a dimension of size 4"),
        ("Split", (X,), {"axis": 1}, "needs either"),
        ("Slice", (X, ints(0), ints(1), ints(0), ints(0)), {}, "step of 0"),
        ("Slice", (X, ints(0, 0), ints(1, 1), ints(0, 0)), {}, "name one axis twice"),
        ("Pad", (X, ints(0, 0, 0, 0, 0, -6)), {}, "negative dimension"),
        ("Pad", (X[:0], ints(1, 0, 0, 0, 0, 0)), {"mode": "edge"}, "no elements to pad with"),
        ("Concat", (X, X[:, 1:]), {"axis": 0}, "differ outside axis 0"),
        ("Concat", (X, X.astype(np.int32)), {"axis": 0}, "must agree"),
        ("Where", (X, X, X), {}, "takes booleans"),
        ("OneHot", (ints(1), ints(-1), ints(0, 1)), {}, "depth must be"),
        ("TopK", (X, ints(6)), {}, "cannot take 6"),
        ("Expand", (X, ints(2, 5)), {}, "do not broadcast"),
        ("Tile", (X, ints(2, 5)), {}, "repeats"),
        ("Transpose", (X,), {"perm": [0, 1, 1]}, "not an order"),
        ("Transpose", (X,), {"perm": "210"}, "attribute 'perm'"),
        ("Reshape", (X, ints(-1, -1)), {}, "cannot be reshaped"),
        ("Reshape", (X, ints(7, -1)), {}, "cannot be reshaped"),
        ("Reshape", (X, ints(3, 4, 5, 0)), {}, "cannot be reshaped"),
        ("Squeeze", (X, ints(0)), {}, "has size 3, not 1"),
        ("Tile", (X, ints(2**20, 2**20, 1)), {}, "2 GiB or more"),
    ],
    ids=identify,
)
def test_bad_nodes_are_refused_by_name(op: str, inputs: tuple, attrs: dict, problem: str) -> None:
    with pytest.raises(ModelError, match=problem) as caught:
        run_reference(op, *inputs, **attrs)
    assert op in str(caught.value) and "tested" in str(caught.value)


@pytest.mark.parametrize("index", [3, -4])
def test_an_index_out_of_range_is_refused(index: int) -> None:
    for op, indices in (("Gather", ints(index)), ("GatherND", ints(index))):
        with pytest.raises(ModelError, match=f"index {index} is out of range for a dimension of size 3"):
            run_reference(op, X, indices)


def test_negative_pads_drop_before_reflecting() -> None:
    found = run_reference("Pad", np.arange(6), ints(-2, 5), mode="reflect")[0]
    assert found.tolist() == [2, 3, 4, 5, 4, 3, 2, 3, 4]


def test_top_k_keeps_the_order_of_equal_elements_and_counts_nan_as_largest() -> None:
    data = np.array([1, np.nan, 3, 3, 1], np.float32)
    assert run_reference("TopK", data, ints(4), outputs=2)[1].tolist() == [1, 2, 3, 0]
    assert run_reference("TopK", data, ints(3), outputs=2, largest=0)[1].tolist() == [0, 4, 2]
