"""StableHLO's operators within TFLite, against NumPy, and against LiteRT those few that it runs."""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tflite")
pytest.importorskip("ai_edge_litert")

from tflite_builder import Tensor, compare, one_operator, run_converted

X = np.random.default_rng(0).uniform(0.5, 2, (2, 3, 4)).astype(np.float32)
Y = X[::-1].copy()
FUNCTIONS: dict[str, Callable[..., Any]] = {
    "ABS": np.abs, "COSINE": np.cos, "EXPONENTIAL": np.exp, "FLOOR": np.floor, "LOG": np.log, "NEGATE": np.negative,
    "TANH": np.tanh, "LOGISTIC": lambda x: 1 / (1 + np.exp(-x)), "RSQRT": lambda x: 1 / np.sqrt(x), "ADD": np.add,
    "DIVIDE": np.divide, "MAXIMUM": np.maximum, "MINIMUM": np.minimum, "MULTIPLY": np.multiply, "POWER": np.power,
    "SUBTRACT": np.subtract, "REMAINDER": np.fmod, "CLAMP": lambda low, x, high: np.minimum(np.maximum(x, low), high),
}  # fmt: skip


def real(name: str, shape: tuple[int, ...] = (2, 3, 4), dtype: str = "float32") -> Tensor:
    return Tensor(name, shape, dtype)


@pytest.mark.parametrize("kind", FUNCTIONS)
def test_functions(kind: str, tmp_path: Path) -> None:
    function = FUNCTIONS[kind]
    count = function.nin if isinstance(function, np.ufunc) else len(signature(function).parameters)
    feeds = [X, Y, X + 0.5][:count]
    model = one_operator(f"STABLEHLO_{kind}", [real(f"x{index}") for index in range(count)], [real("y")])
    np.testing.assert_allclose(run_converted(model, tmp_path, feeds)[0], function(*feeds), rtol=1e-5)


@pytest.mark.parametrize("kind", ["ADD", "MULTIPLY", "MAXIMUM", "MINIMUM"])
def test_those_that_litert_runs(kind: str, tmp_path: Path) -> None:
    compare(one_operator(f"STABLEHLO_{kind}", [real("x"), real("z")], [real("y")]), tmp_path, [X, Y])


def test_comparisons_and_choice(tmp_path: Path) -> None:
    wanted = (X == Y, X != Y, X >= Y, X > Y, X <= Y, X < Y)
    for direction, expected in enumerate(wanted):
        options = ("StablehloCompareOptions", {"ComparisonDirection": direction})
        model = one_operator("STABLEHLO_COMPARE", [real("a"), real("b")], [real("y", dtype="bool")], options)
        np.testing.assert_array_equal(run_converted(model, tmp_path, [X, Y])[0], expected)
    model = one_operator("STABLEHLO_SELECT", [real("c", dtype="bool"), real("a"), real("b")], [real("y")])
    np.testing.assert_array_equal(run_converted(model, tmp_path, [X > Y, X, Y])[0], np.maximum(X, Y))
    for kind, expected in (("AND", (X > 1) & (Y > 1)), ("OR", (X > 1) | (Y > 1))):
        inputs = [real("a", dtype="bool"), real("b", dtype="bool")]
        model = one_operator(f"STABLEHLO_{kind}", inputs, [real("y", dtype="bool")])
        np.testing.assert_array_equal(run_converted(model, tmp_path, [X > 1, Y > 1])[0], expected)


def longs(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int64)


@pytest.mark.parametrize(
    ("kind", "options", "wanted"),
    [
        ("RESHAPE", None, X.reshape(6, 4)),
        ("CONVERT", None, X.astype(np.int32)),
        ("TRANSPOSE", ("StablehloTransposeOptions", {"Permutation": longs(2, 0, 1)}), X.transpose(2, 0, 1)),
        ("CONCATENATE", ("StablehloConcatenateOptions", {"Dimension": 1}), np.concatenate([X, X], 1)),
        (
            "SLICE",
            ("StablehloSliceOptions",
             {"StartIndices": longs(0, 1, 0), "LimitIndices": longs(2, 3, 4), "Strides": longs(1, 1, 2)}),
            X[:, 1:3, ::2],
        ),
        (
            "BROADCAST_IN_DIM",
            ("StablehloBroadcastInDimOptions", {"BroadcastDimensions": longs(0, 2, 3)}),
            np.broadcast_to(X[:, None], (2, 5, 3, 4)),
        ),
    ],
)  # fmt: skip
def test_moves(kind: str, options: Any, wanted: np.ndarray, tmp_path: Path) -> None:
    inputs = [real("x"), real("z")] if kind == "CONCATENATE" else [real("x")]
    model = one_operator(f"STABLEHLO_{kind}", inputs, [real("y", wanted.shape, wanted.dtype.name)], options)
    np.testing.assert_array_equal(run_converted(model, tmp_path, [X] * len(inputs))[0], wanted)
