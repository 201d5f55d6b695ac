"""Elementwise operators: references against onnxruntime, integers against LiteRT."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from op_cases import run_onnxruntime, run_reference
from tflite_cases import Quantized, run_litert, run_quantized

from millijoule.runtime.errors import ModelError
from millijoule.runtime.graph import Quantization
from millijoule.runtime.ops import activation, integer

EDGES = [0.0, -0.0, 0.5, 1.5, 2.5, -0.5, -1.5, 1e-30, 30.0, -30.0, np.inf, -np.inf, np.nan]
REAL = np.concatenate([np.linspace(-8, 8, 203), EDGES]).astype(np.float32)
UNIT = np.linspace(-1, 1, 41).astype(np.float32)
POSITIVE = np.geomspace(1e-6, 1e6, 50).astype(np.float32)

UNARY: list[tuple[str, np.ndarray, dict[str, Any]]] = [
    *((name, REAL, {}) for name in ("Relu", "Sigmoid", "Tanh", "Softplus", "Softsign", "HardSwish", "Mish", "Erf")),
    *((name, REAL, {}) for name in ("Abs", "Neg", "Sign", "Floor", "Ceil", "Round", "Exp", "Reciprocal")),
    *((name, REAL, {}) for name in ("LeakyRelu", "HardSigmoid", "Elu", "Selu", "Celu", "ThresholdedRelu", "Gelu")),
    *((name, np.linspace(-8, 8, 99).astype(np.float32), {}) for name in ("Sin", "Cos", "Tan", "Atan")),
    *((name, np.linspace(-8, 8, 99).astype(np.float32), {}) for name in ("Sinh", "Cosh", "Asinh")),
    *((name, UNIT, {}) for name in ("Asin", "Acos", "Atanh")),
    *((name, POSITIVE, {}) for name in ("Log", "Sqrt")),
    ("Acosh", 1 + POSITIVE, {}),
    ("LeakyRelu", REAL, {"alpha": -0.3}),
    ("HardSigmoid", REAL, {"alpha": 0.7, "beta": 0.1}),
    ("Elu", REAL, {"alpha": 2.0}),
    ("Selu", REAL, {"alpha": 2.0, "gamma": 3.0}),
    ("Celu", REAL, {"alpha": 2.0}),
    ("ThresholdedRelu", REAL, {"alpha": 0.25}),
    ("Gelu", REAL, {"approximate": "tanh"}),
    ("Abs", np.array([-3, 0, 4], np.int32), {}),
    ("Neg", np.array([-3, 0, 4], np.int64), {}),
    ("Sign", np.array([-3, 0, 4], np.int64), {}),
    ("Relu", np.array([-3, 0, 4], np.int32), {}),
]
AT_EDGES_DIFFERENT = {"Gelu", "Mish", "HardSwish", "Selu", "Celu", "Elu"}
"""onnxruntime's own formulas give NaN or another zero at infinities here."""


@pytest.mark.parametrize(("op", "x", "attrs"), UNARY)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_unary_is_onnxruntimes(op: str, x: np.ndarray, attrs: dict[str, Any]) -> None:
    x = x[np.isfinite(x)] if op in AT_EDGES_DIFFERENT else x
    (want,) = run_onnxruntime(op, x, **attrs)
    (got,) = run_reference(op, x, **attrs)
    np.testing.assert_allclose(got, want, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize(
    ("op", "attrs", "formula"),
    [
        ("SiLU", {}, lambda x: x / (1 + np.exp(-x))),
        ("SiLU", {"alpha": 1.7}, lambda x: x / (1 + np.exp(-1.7 * x))),
        ("Relu6", {}, lambda x: np.clip(x, 0, 6)),
        ("ReluN1To1", {}, lambda x: np.clip(x, -1, 1)),
    ],
)
def test_our_own_functions(op: str, attrs: dict[str, Any], formula: Any) -> None:
    x = np.linspace(-9, 9, 77).astype(np.float32)
    np.testing.assert_allclose(run_reference(op, x, **attrs)[0], formula(x.astype(np.float64)), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("op", [case[0] for case in UNARY[:20]])
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_functions_keep_the_dtype(op: str) -> None:
    for dtype in (np.float16, np.float32, np.float64):
        assert run_reference(op, np.array([-1.0, 0.5], dtype))[0].dtype == dtype


def bounds(low: float | None, high: float | None, dtype: type) -> list[np.ndarray | None]:
    return [None if bound is None else np.array(bound, dtype) for bound in (low, high)]


@pytest.mark.parametrize("dtype", [np.float32, np.int64, np.int8])
@pytest.mark.parametrize(("low", "high"), [(-2, 3), (None, 1), (0, None), (None, None), (3, -2)])
def test_clip_is_onnxruntimes(low: int | None, high: int | None, dtype: type[np.number]) -> None:
    x = np.arange(-6, 7).astype(dtype)
    inputs = [x, *bounds(low, high, dtype)]
    (want,) = run_onnxruntime("Clip", *inputs)
    np.testing.assert_array_equal(run_reference("Clip", *inputs)[0], want)


@pytest.mark.parametrize("slope", [(3,), (1,), (4, 3), (2, 1, 1)])
def test_prelu_is_onnxruntimes(slope: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    x, s = rng.normal(size=(2, 4, 3)).astype(np.float32), rng.normal(size=slope).astype(np.float32)
    np.testing.assert_allclose(run_reference("PRelu", x, s)[0], run_onnxruntime("PRelu", x, s)[0], rtol=1e-6)


SHAPES = [((3, 4), (3, 4)), ((2, 3, 4), (4,)), ((4,), (2, 3, 4)), ((2, 1, 4), (3, 1)), ((), (2, 3)), ((0, 3), (3,))]


@pytest.mark.parametrize("op", ["Add", "Sub", "Mul", "Div", "Pow", "Min", "Max"])
@pytest.mark.parametrize(("a", "b"), SHAPES)
def test_binary_is_onnxruntimes(op: str, a: tuple[int, ...], b: tuple[int, ...]) -> None:
    rng = np.random.default_rng(1)
    x = rng.uniform(0.5, 2, a).astype(np.float32)
    y = rng.normal(size=b).astype(np.float32)
    np.testing.assert_allclose(run_reference(op, x, y)[0], run_onnxruntime(op, x, y)[0], rtol=1e-5)


@pytest.mark.parametrize("op", ["Add", "Sub", "Mul", "Div", "Min", "Max", "Mod"])
@pytest.mark.parametrize("dtype", [np.int32, np.int64])
def test_integers_are_onnxruntimes(op: str, dtype: type[np.integer]) -> None:
    x, y = np.meshgrid(np.arange(-7, 8, dtype=dtype), np.array([-3, -2, -1, 1, 2, 3], dtype))
    np.testing.assert_array_equal(run_reference(op, x, y)[0], run_onnxruntime(op, x, y)[0])


@pytest.mark.parametrize("dtype", [np.float32, np.int32])
def test_fmod_is_onnxruntimes(dtype: type[np.number]) -> None:
    x, y = np.meshgrid(np.arange(-7, 8).astype(dtype), np.array([-3, -2, 2, 3]).astype(dtype))
    np.testing.assert_array_equal(run_reference("Mod", x, y, fmod=1)[0], run_onnxruntime("Mod", x, y, fmod=1)[0])


@pytest.mark.parametrize("exponent", [np.array([2.0, -1.0, 0.5], np.float32), np.array([0, 1, 3], np.int64)])
@pytest.mark.parametrize("base", [np.array([1.5, 2, 4], np.float32), np.array([1, 2, 4], np.int32)])
def test_power_is_onnxruntimes(base: np.ndarray, exponent: np.ndarray) -> None:
    np.testing.assert_allclose(
        run_reference("Pow", base, exponent)[0], run_onnxruntime("Pow", base, exponent)[0], rtol=1e-6
    )


def test_min_and_max_take_any_number_of_tensors() -> None:
    rng = np.random.default_rng(1)
    tensors = [rng.normal(size=shape).astype(np.float32) for shape in ((3,), (2, 1), (2, 3), ())]
    tensors[0][1] = np.nan
    for op in ("Min", "Max"):
        for count in (1, 2, 4):
            np.testing.assert_array_equal(
                run_reference(op, *tensors[:count])[0], run_onnxruntime(op, *tensors[:count])[0]
            )


@pytest.mark.parametrize(
    ("name", "params"),
    [
        *((name, []) for name in ("Relu", "Relu6", "ReluN1To1", "HardSwish", "Sigmoid", "Tanh", "SiLU", "Softplus")),
        *(("Clip", [-0.5, 0.25]), ("LeakyRelu", [0.2]), ("HardSigmoid", [0.3, 0.4]), ("Gelu", [1])),
    ],
)
def test_a_fused_activation_is_the_operator_after(name: str, params: list[float]) -> None:
    names = {"LeakyRelu": ["alpha"], "HardSigmoid": ["alpha", "beta"]}
    a, b = np.linspace(-4, 4, 33).astype(np.float32), np.float32(0.5) * np.ones(33, np.float32)
    (fused,) = run_reference("Add", a, b, activation=name, activation_params=params)
    if name == "Clip":
        (want,) = run_reference(name, a + b, *(np.array(p, np.float32) for p in params))
    elif name == "Gelu":
        (want,) = run_reference(name, a + b, approximate="tanh")
    else:
        attrs: dict[str, Any] = dict(zip(names.get(name, []), params, strict=True))
        (want,) = run_reference(name, a + b, **attrs)
    np.testing.assert_array_equal(fused, want)


@pytest.mark.parametrize(
    ("op", "inputs", "attrs", "words"),
    [
        ("Add", (np.zeros(3, np.float32), np.zeros(4, np.float32)), {}, "do not broadcast"),
        ("Add", (np.zeros(3, np.float32), np.zeros(3, np.int32)), {}, "must agree"),
        ("Mul", (np.zeros(3, np.float32), np.zeros(3, np.float32)), {"activation": "Nope"}, "cannot be fused"),
        ("Sigmoid", (np.zeros(3, np.int32),), {}, "int32"),
        ("Sub", (np.zeros(3, bool), np.zeros(3, bool)), {}, "bool"),
        ("PRelu", (np.zeros(3, np.float32), np.zeros((2, 3), np.float32)), {}, "does not broadcast"),
        ("Clip", (np.zeros(3, np.float32), np.zeros(2, np.float32)), {}, "not a scalar"),
        ("Gelu", (np.zeros(3, np.float32),), {"approximate": "erf"}, "approximate"),
        ("Elu", (np.zeros(3, np.float32),), {"beta": 1.0}, "unknown attribute 'beta'"),
    ],
)
def test_bad_nodes_are_told(op: str, inputs: tuple, attrs: dict[str, Any], words: str) -> None:
    with pytest.raises(ModelError, match=f"tested.*{words}"):
        run_reference(op, *inputs, **attrs)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("kind", "op"), [("ADD", "Add"), ("SUB", "Sub"), ("MUL", "Mul")])
def test_quantized_arithmetic_is_litert(kind: str, op: str, seed: int) -> None:
    """Every pair of stored integers, with scales as far apart as 1 : 50."""
    rng = np.random.default_rng(seed)
    a, b = (x.astype(np.int8).reshape(1, 16, 16, 256) for x in np.meshgrid(np.arange(-128, 128), np.arange(-128, 128)))
    scales = np.exp(rng.uniform(np.log(0.01), np.log(0.5), 3)).astype(np.float32)
    points = rng.integers(-128, 128, 3)
    qa, qb, qy = (Quantized(a.shape, float(s), int(z)) for s, z in zip(scales, points, strict=True))
    relu = {"FusedActivationFunction": 1}
    want = run_litert(kind, [qa, qb], qy, (f"{op}Options", relu), a, b)
    got = run_quantized(op, [replace(qa, data=a), replace(qb, data=b)], qy, activation="Relu")
    np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize(
    ("kind", "op"),
    [("LOGISTIC", "Sigmoid"), ("TANH", "Tanh"), ("EXP", "Exp"), ("GELU", "Gelu"), ("ABS", "Abs"), ("RELU6", "Relu6")],
)
@pytest.mark.parametrize("seed", range(3))
def test_tables_are_litert(kind: str, op: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    x = np.arange(-128, 128).astype(np.int8).reshape(1, 16, 16, 1)
    source = Quantized(x.shape, float(np.float32(rng.uniform(0.02, 0.06))), int(rng.integers(-60, 60)))
    scale, point = {"Sigmoid": (1 / 256, -128), "Tanh": (1 / 128, 0)}.get(op, (float(np.float32(0.04)), -30))
    target = Quantized(x.shape, scale, point)
    want = run_litert(kind, [source], target, None, x)
    np.testing.assert_array_equal(run_quantized(op, [replace(source, data=x)], target), want)


def test_quantized_operators_without_integer_form_go_through_reals() -> None:
    x = np.arange(-128, 128).astype(np.int8)
    slope = Quantized((), 0.01, 0, data=np.array([20], np.int8))
    got = run_quantized("PRelu", [Quantized(x.shape, 0.1, 5, data=x), slope], Quantized((), 0.1, 5))
    real = (x - 5.0) * 0.1
    np.testing.assert_array_equal(got, np.clip(np.rint(np.where(real < 0, real * 0.2, real) / 0.1) + 5, -128, 127))


def test_quantized_clamp_ranges() -> None:
    quant = Quantization.per_tensor(0.05, -20)
    assert activation.quantized_range(None, (), quant, np.int8) == (-128, 127)
    assert activation.quantized_range("Relu", (), quant, np.int8) == (-20, 127)
    assert activation.quantized_range("Relu6", (), quant, np.int8) == (-20, 100)
    assert activation.quantized_range("ReluN1To1", (), quant, np.int8) == (-40, 0)
    assert activation.quantized_range("Clip", (-1, 100), quant, np.int8) == (-40, 127)
    assert activation.quantized_range("Tanh", (), quant, np.int8) is None


def test_requantize_saturates_and_rounds_half_to_even() -> None:
    acc = np.array([1, 3, 5, -1, -3, 2**31 - 1, -(2**31)])
    got = integer.requantize(acc, np.array([0.5], np.float32), 10, -128, 127, np.int8)
    np.testing.assert_array_equal(got, [10, 12, 12, 10, 8, 127, -128])
    nan = integer.requantize(acc, np.array([np.nan], np.float32), 10, -128, 127, np.int8)
    np.testing.assert_array_equal(nan, [10] * 7)
