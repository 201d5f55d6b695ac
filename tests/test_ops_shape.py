"""Operators that change a tensor's shape or read it, against onnxruntime."""

from __future__ import annotations

import numpy as np
import pytest
from op_cases import run_onnxruntime, run_reference


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def sample(*shape: int, dtype: type = np.float32) -> np.ndarray:
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(dtype)


AGREE = [
    ("Reshape", (sample(2, 3, 4), ints(0, -1)), {}),
    ("Reshape", (sample(2, 3, 4), ints(4, 0, 2)), {}),
    ("Reshape", (sample(1, 1), ints()), {}),
    ("Reshape", (sample(0, 3), ints(3, 0)), {"allowzero": 1}),
    ("Reshape", (sample(0, 3), ints(0, 5)), {}),
    ("Flatten", (sample(2, 3, 4),), {}),
    ("Flatten", (sample(2, 3, 4),), {"axis": 0}),
    ("Flatten", (sample(2, 3, 4),), {"axis": 3}),
    ("Flatten", (sample(2, 3, 4),), {"axis": -1}),
    ("Flatten", (np.array(3, np.float32),), {"axis": 0}),
    ("Squeeze", (sample(1, 3, 1, 1),), {}),
    ("Squeeze", (sample(1, 3, 1, 1), ints(0, -1)), {}),
    ("Squeeze", (sample(1, 3, 1, 1), ints(2)), {}),
    ("Unsqueeze", (sample(2, 3), ints(0, -1, 2)), {}),
    ("Unsqueeze", (np.array(3, np.float32), ints(0)), {}),
    ("Identity", (sample(2, 0, 3),), {}),
    ("Transpose", (sample(2, 3, 4),), {}),
    ("Transpose", (sample(2, 3, 4, 5),), {"perm": [0, 3, 1, 2]}),
    ("Expand", (sample(3, 1), ints(2, 1, 6)), {}),
    ("Expand", (sample(3, 4), ints(1, 1)), {}),
    ("Expand", (sample(3, 1), ints(0)), {}),
    ("Tile", (sample(2, 3), ints(2, 1)), {}),
    ("Tile", (sample(2, 3), ints(0, 2)), {}),
    ("Shape", (sample(2, 3, 4, 5),), {}),
    ("Shape", (sample(2, 3, 4, 5),), {"start": 1, "end": -1}),
    ("Shape", (sample(2, 3, 4, 5),), {"start": -9, "end": 9}),
    ("Shape", (sample(2, 3, 4, 5),), {"start": 3, "end": 2}),
    ("Size", (sample(2, 3, 4),), {}),
    ("Size", (sample(2, 0, 4),), {}),
]


@pytest.mark.parametrize(("op", "inputs", "attrs"), AGREE)
def test_agrees_with_onnxruntime(op: str, inputs: tuple[np.ndarray, ...], attrs: dict) -> None:
    found = run_reference(op, *inputs, **attrs)
    wanted = run_onnxruntime(op, *inputs, **attrs)
    np.testing.assert_array_equal(found[0], wanted[0], strict=True)
