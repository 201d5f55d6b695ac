"""Each TFLite operator that computes on one or two tensors, converted and run in NumPy, against LiteRT."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tflite")
pytest.importorskip("ai_edge_litert")

from tflite_builder import Tensor, compare, one_operator

RELU, RELU_N1_TO_1, RELU6 = 1, 2, 3


def real(shape: tuple[int, ...], name: str = "x", dtype: str = "float32") -> Tensor:
    return Tensor(name, shape, dtype)


def quantized(shape: tuple[int, ...], name: str = "x", scale: float = 0.05, zero_point: int = 3) -> Tensor:
    return Tensor(name, shape, "int8", scale=scale, zero_point=zero_point)


def constant(data: Any, name: str = "c", dtype: str = "int32") -> Tensor:
    array = np.asarray(data, dtype)
    return Tensor(name, array.shape, dtype, array)


BINARY = {
    "ADD": "AddOptions",
    "SUB": "SubOptions",
    "MUL": "MulOptions",
    "DIV": "DivOptions",
    "POW": "PowOptions",
    "MINIMUM": "MaximumMinimumOptions",
    "MAXIMUM": "MaximumMinimumOptions",
    "SQUARED_DIFFERENCE": "SquaredDifferenceOptions",
    "FLOOR_DIV": "FloorDivOptions",
    "FLOOR_MOD": "FloorModOptions",
}


@pytest.mark.parametrize("kind", BINARY)
def test_arithmetic_broadcasts(kind: str, tmp_path: Path) -> None:
    model = one_operator(
        kind, [real((2, 3, 1, 5)), real((3, 4, 1), "y")], [real((2, 3, 4, 5), "z")], (BINARY[kind], {})
    )
    x, y = np.random.default_rng(1).uniform(0.5, 2, 30 + 12).astype(np.float32).reshape(-1)[None].repeat(2, 0)
    x[::3] *= 1 if kind == "POW" else -1
    compare(model, tmp_path, [x[:30].reshape(2, 3, 1, 5), y[30:].reshape(3, 4, 1)])


@pytest.mark.parametrize("kind", ["ADD", "SUB", "MUL", "MINIMUM", "MAXIMUM", "FLOOR_DIV", "FLOOR_MOD", "DIV", "POW"])
def test_arithmetic_of_integers(kind: str, tmp_path: Path) -> None:
    model = one_operator(
        kind, [real((3, 4), dtype="int32"), real((4,), "y", "int32")], [real((3, 4), "z", "int32")], (BINARY[kind], {})
    )
    x = np.array([[7, -7, 8, -8], [1, -1, 5, 0], [-9, 9, -3, 2]], np.int32)
    y = np.array([3, 2, 1, 4] if kind == "POW" else [3, -3, 2, -5], np.int32)
    compare(model, tmp_path, [x, y])


@pytest.mark.parametrize("count", [2, 4])
def test_sum_of_many(count: int, tmp_path: Path) -> None:
    inputs = [real((2, 3), f"x{i}") for i in range(count)]
    compare(one_operator("ADD_N", inputs, [real((2, 3), "y")], ("AddNOptions", {})), tmp_path)


@pytest.mark.parametrize(("code", "kind"), [(RELU, "ADD"), (RELU_N1_TO_1, "SUB"), (RELU6, "MUL")])
def test_fused_activation(code: int, kind: str, tmp_path: Path) -> None:
    options = (BINARY[kind], {"FusedActivationFunction": code})
    compare(one_operator(kind, [real((2, 50)), real((2, 50), "y")], [real((2, 50), "z")], options), tmp_path)


@pytest.mark.parametrize("kind", ["ADD", "SUB", "MUL"])
@pytest.mark.parametrize("code", [0, RELU, RELU6])
def test_quantized_arithmetic(kind: str, code: int, tmp_path: Path) -> None:
    inputs = [quantized((4, 64)), quantized((4, 64), "y", 0.03, -7)]
    options = (BINARY[kind], {"FusedActivationFunction": code})
    compare(one_operator(kind, inputs, [quantized((4, 64), "z", 0.07, -20)], options), tmp_path)


@pytest.mark.parametrize("kind", ["MINIMUM", "MAXIMUM"])
def test_quantized_extremes(kind: str, tmp_path: Path) -> None:
    inputs = [quantized((4, 64)), quantized((4, 64), "y")]
    compare(one_operator(kind, inputs, [quantized((4, 64), "z")], (BINARY[kind], {})), tmp_path)


UNARY: dict[str, tuple[str, dict[str, Any]] | None] = {
    "RELU": None,
    "RELU6": None,
    "RELU_N1_TO_1": None,
    "RELU_0_TO_1": None,
    "LOGISTIC": None,
    "TANH": None,
    "HARD_SWISH": ("HardSwishOptions", {}),
    "ELU": None,
    "LEAKY_RELU": ("LeakyReluOptions", {"Alpha": 0.3}),
    "ABS": ("AbsOptions", {}),
    "NEG": ("NegOptions", {}),
    "EXP": ("ExpOptions", {}),
    "SIN": None,
    "COS": ("CosOptions", {}),
    "SIGN": ("SignOptions", {}),
    "CEIL": None,
    "FLOOR": None,
    "ROUND": None,
    "SQUARE": ("SquareOptions", {}),
    "ZEROS_LIKE": ("ZerosLikeOptions", {}),
    "SOFTMAX": ("SoftmaxOptions", {"Beta": 1.0}),
    "LOG_SOFTMAX": ("LogSoftmaxOptions", {}),
    "L2_NORMALIZATION": ("L2NormOptions", {}),
    "LOCAL_RESPONSE_NORMALIZATION": (
        "LocalResponseNormalizationOptions",
        {"Radius": 2, "Bias": 1.5, "Alpha": 0.3, "Beta": 0.6},
    ),
}


@pytest.mark.parametrize("kind", UNARY)
def test_functions_of_one_tensor(kind: str, tmp_path: Path) -> None:
    x = np.random.default_rng(2).uniform(-5, 8, (1, 3, 5, 7)).astype(np.float32)
    compare(one_operator(kind, [real(x.shape)], [real(x.shape, "y")], UNARY[kind]), tmp_path, [x])


@pytest.mark.parametrize("kind", ["LOG", "SQRT", "RSQRT"])
def test_functions_of_positive_numbers(kind: str, tmp_path: Path) -> None:
    x = np.random.default_rng(2).uniform(0.1, 8, (3, 7)).astype(np.float32)
    compare(one_operator(kind, [real(x.shape)], [real(x.shape, "y")]), tmp_path, [x])


@pytest.mark.parametrize("approximate", [False, True])
def test_gelu(approximate: bool, tmp_path: Path) -> None:
    options = ("GeluOptions", {"Approximate": approximate})
    compare(one_operator("GELU", [real((3, 50))], [real((3, 50), "y")], options), tmp_path)


def test_softmax_of_a_multiple(tmp_path: Path) -> None:
    options = ("SoftmaxOptions", {"Beta": 2.5})
    compare(one_operator("SOFTMAX", [real((3, 10))], [real((3, 10), "y")], options), tmp_path)


@pytest.mark.parametrize("beta", [1.0, 0.4])
def test_quantized_softmax(beta: float, tmp_path: Path) -> None:
    outputs = [quantized((3, 10), "y", 1 / 256, -128)]
    model = one_operator("SOFTMAX", [quantized((3, 10))], outputs, ("SoftmaxOptions", {"Beta": beta}))
    compare(model, tmp_path, quanta=0 if beta == 1 else 1)


@pytest.mark.parametrize(
    ("kind", "scale", "zero_point"),
    [
        ("RELU", 0.05, 3),
        ("RELU6", 0.03, -128),
        ("LOGISTIC", 1 / 256, -128),
        ("TANH", 1 / 128, 0),
        ("HARD_SWISH", 0.05, -100),
        ("LEAKY_RELU", 0.05, 0),
        ("ABS", 0.05, -128),
    ],
)
def test_quantized_functions(kind: str, scale: float, zero_point: int, tmp_path: Path) -> None:
    outputs = [quantized((2, 64), "y", scale, zero_point)]
    compare(one_operator(kind, [quantized((2, 64))], outputs, UNARY[kind]), tmp_path, quanta=1)


def test_prelu(tmp_path: Path) -> None:
    alpha = constant(np.random.default_rng(0).uniform(-1, 1, (1, 1, 6)), dtype="float32")
    compare(one_operator("PRELU", [real((2, 3, 4, 6)), alpha], [real((2, 3, 4, 6), "y")]), tmp_path)


COMPARISONS = {
    "EQUAL": "EqualOptions",
    "NOT_EQUAL": "NotEqualOptions",
    "LESS": "LessOptions",
    "LESS_EQUAL": "LessEqualOptions",
    "GREATER": "GreaterOptions",
    "GREATER_EQUAL": "GreaterEqualOptions",
}


@pytest.mark.parametrize("kind", COMPARISONS)
def test_comparisons(kind: str, tmp_path: Path) -> None:
    inputs = [real((4, 25), dtype="int32"), real((25,), "y", "int32")]
    compare(one_operator(kind, inputs, [real((4, 25), "z", "bool")], (COMPARISONS[kind], {})), tmp_path)


@pytest.mark.parametrize(
    ("kind", "options", "count"),
    [
        ("LOGICAL_AND", "LogicalAndOptions", 2),
        ("LOGICAL_OR", "LogicalOrOptions", 2),
        ("LOGICAL_NOT", "LogicalNotOptions", 1),
    ],
)
def test_logic(kind: str, options: str, count: int, tmp_path: Path) -> None:
    inputs = [real((4, 9), name, "bool") for name in "xy"[:count]]
    compare(one_operator(kind, inputs, [real((4, 9), "z", "bool")], (options, {})), tmp_path)


@pytest.mark.parametrize(
    ("kind", "options", "condition"),
    [
        ("SELECT", "SelectOptions", (3, 4)),
        ("SELECT", "SelectOptions", (3,)),
        ("SELECT_V2", "SelectV2Options", (3, 1)),
    ],
)
def test_select(kind: str, options: str, condition: tuple[int, ...], tmp_path: Path) -> None:
    inputs = [real(condition, "condition", "bool"), real((3, 4)), real((3, 4), "y")]
    compare(one_operator(kind, inputs, [real((3, 4), "z")], (options, {})), tmp_path)


REDUCTIONS = ["MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN", "REDUCE_PROD"]


@pytest.mark.parametrize("kind", REDUCTIONS)
@pytest.mark.parametrize(("axes", "keep"), [([1, 2], True), ([-1], False), ([0, 3], False)])
def test_reductions(kind: str, axes: list[int], keep: bool, tmp_path: Path) -> None:
    shape = tuple(np.zeros((2, 3, 4, 5)).sum(tuple(axes), keepdims=keep).shape)
    options = ("ReducerOptions", {"KeepDims": keep})
    compare(one_operator(kind, [real((2, 3, 4, 5)), constant(axes)], [real(shape, "y")], options), tmp_path)


@pytest.mark.parametrize(("kind", "quanta"), [("MEAN", 1), ("SUM", 1), ("REDUCE_MAX", 0)])
def test_quantized_reductions(kind: str, quanta: int, tmp_path: Path) -> None:
    same = kind == "REDUCE_MAX"
    output = quantized((1, 8), "y") if same else quantized((1, 8), "y", 0.4, -5)
    model = one_operator(kind, [quantized((1, 5, 5, 8)), constant([1, 2])], [output], ("ReducerOptions", {}))
    compare(model, tmp_path, quanta=quanta)


@pytest.mark.parametrize("kind", ["REDUCE_ANY", "REDUCE_ALL"])
def test_reductions_of_booleans(kind: str, tmp_path: Path) -> None:
    model = one_operator(
        kind, [real((4, 3), dtype="bool"), constant([1])], [real((4,), "y", "bool")], ("ReducerOptions", {})
    )
    compare(model, tmp_path)


@pytest.mark.parametrize("kind", ["QUANTIZE", "DEQUANTIZE"])
@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_quantize_and_dequantize(kind: str, dtype: str, tmp_path: Path) -> None:
    stored = Tensor("q", (5, 40), dtype, scale=0.013, zero_point=17)
    inputs, outputs = ([real((5, 40))], [stored]) if kind == "QUANTIZE" else ([stored], [real((5, 40))])
    compare(one_operator(kind, inputs, outputs, (f"{kind.capitalize()}Options", {})), tmp_path)


@pytest.mark.parametrize(
    ("source", "target"), [("int8", "uint8"), ("uint8", "int8"), ("int8", "int8"), ("uint8", "uint8")]
)
@pytest.mark.parametrize("scale", [0.05, 0.021])
def test_quantize_from_one_quantization_to_another(source: str, target: str, scale: float, tmp_path: Path) -> None:
    """XNNPACK multiplies by a scale of 8 fraction bits where the dtype stays the same; others compute as we do."""
    x = Tensor("x", (300,), source, scale=0.05, zero_point=10)
    y = Tensor("y", (300,), target, scale=scale, zero_point=100)
    quanta = 1 if source == target and scale != x.scale else 0
    compare(one_operator("QUANTIZE", [x], [y], ("QuantizeOptions", {})), tmp_path, quanta=quanta)


def test_cast(tmp_path: Path) -> None:
    codes = {"float32": 0, "int32": 2, "uint8": 3, "int64": 4, "bool": 6, "int8": 9}
    for source, target in (("uint8", "float32"), ("float32", "int32"), ("int64", "bool"), ("bool", "float32")):
        options = ("CastOptions", {"InDataType": codes[source], "OutDataType": codes[target]})
        compare(one_operator("CAST", [real((40,), dtype=source)], [real((40,), "y", target)], options), tmp_path)


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_cast_of_a_quantized_tensor_takes_its_integers(dtype: str, tmp_path: Path) -> None:
    x = Tensor("x", (40,), dtype, scale=0.5, zero_point=9)
    compare(one_operator("CAST", [x], [real((40,), "y")], ("CastOptions", {"OutDataType": 0})), tmp_path)
