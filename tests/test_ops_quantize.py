"""QuantizeLinear, DequantizeLinear against onnxruntime; Requantize against real arithmetic."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from op_cases import run_onnxruntime, run_reference
from tflite_cases import Quantized, run_quantized

from millijoule.runtime.errors import ModelError

X = np.random.default_rng(0).normal(size=(3, 4, 5)).astype(np.float32) * 40


def scales(*shape: int) -> np.ndarray:
    return np.random.default_rng(1).uniform(0.1, 0.5, shape).astype(np.float32)


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int16, np.uint16])
@pytest.mark.parametrize(("shape", "axis"), [((), 1), ((4,), 1), ((5,), -1), ((3,), 0)])
def test_quantize_and_back_are_onnxruntimes(dtype: type[np.integer], shape: tuple[int, ...], axis: int) -> None:
    scale, zero_point = scales(*shape), np.full(shape, 7, dtype)
    (want,) = run_onnxruntime("QuantizeLinear", X, scale, zero_point, axis=axis, opset=21)
    (got,) = run_reference("QuantizeLinear", X, scale, zero_point, axis=axis)
    np.testing.assert_array_equal(got, want)
    (back,) = run_reference("DequantizeLinear", got, scale, zero_point, axis=axis)
    (want_back,) = run_onnxruntime("DequantizeLinear", got, scale, zero_point, axis=axis, opset=21)
    np.testing.assert_array_equal(back, want_back)


def test_without_zero_point_is_onnxruntimes() -> None:
    scale = scales()
    (want,) = run_onnxruntime("QuantizeLinear", X, scale, opset=21)
    (got,) = run_reference("QuantizeLinear", X, scale)
    np.testing.assert_array_equal(got, want)
    bias = np.array([[-(2**24) - 1, 5]], np.int32)
    np.testing.assert_array_equal(
        run_reference("DequantizeLinear", bias, scale)[0], run_onnxruntime("DequantizeLinear", bias, scale)[0]
    )


def test_blocks_are_onnxruntimes() -> None:
    x = X.reshape(3, 20)
    scale = scales(3, 5)
    (want,) = run_onnxruntime("QuantizeLinear", x, scale, np.zeros((3, 5), np.int8), axis=1, block_size=4, opset=21)
    (got,) = run_reference("QuantizeLinear", x, scale, np.zeros((3, 5), np.int8), axis=1, block_size=4)
    np.testing.assert_array_equal(got, want)
    (back,) = run_reference("DequantizeLinear", got, scale, axis=1, block_size=4)
    np.testing.assert_array_equal(back, got * np.repeat(scale, 4, axis=1))


def test_halves_go_to_even_and_nan_to_the_zero_point() -> None:
    x = np.array([0.5, 1.5, -0.5, 2.5, np.nan, np.inf, -np.inf, 1e30], np.float32)
    (got,) = run_reference("QuantizeLinear", x, np.float32(1).reshape(()), np.array(3, np.int8))
    np.testing.assert_array_equal(got, [3, 5, 3, 5, 3, 127, -128, 127])


def test_requantize_changes_scale_and_dtype() -> None:
    x = np.arange(-128, 128).astype(np.int8)
    got = run_quantized("Requantize", [Quantized(x.shape, 0.1, 5, data=x)], Quantized((), 0.25, -7))
    exact = (x - 5.0) * 0.4 - 7
    assert np.abs(got - np.clip(exact, -128, 127)).max() <= 0.5001
    shifted = run_quantized(
        "Requantize", [Quantized(x.shape, 0.1, 5, data=x)], Quantized((), 0.1, 133, dtype=np.uint8), to="uint8"
    )
    np.testing.assert_array_equal(shifted, x.astype(int) + 128)
    assert shifted.dtype == np.uint8


@pytest.mark.parametrize(
    ("op", "inputs", "attrs", "words"),
    [
        ("QuantizeLinear", (X, scales(3)), {}, "does not fit"),
        ("QuantizeLinear", (X, scales(3)), {"axis": 3}, "axis 3"),
        ("QuantizeLinear", (X, scales(), np.zeros(2, np.int8)), {}, "zero point"),
        ("QuantizeLinear", (X, np.array(np.nan, np.float32)), {}, "not finite"),
        ("QuantizeLinear", (X, scales()), {"output_dtype": "float32"}, "cannot quantize"),
        ("QuantizeLinear", (X.astype(np.int32), scales()), {}, "int32"),
        ("DequantizeLinear", (X, scales()), {}, "float32"),
        ("DequantizeLinear", (X.astype(np.int8), scales(), np.zeros((), np.uint8)), {}, "uint8"),
        ("DequantizeLinear", (X.astype(np.int8), scales(3, 3, 5)), {"axis": 1, "block_size": 3}, "does not fit"),
        ("Requantize", (X.astype(np.int8),), {}, "no quantization"),
    ],
)
def test_bad_nodes_are_told(op: str, inputs: tuple, attrs: dict[str, Any], words: str) -> None:
    with pytest.raises(ModelError, match=f"tested.*{words}"):
        run_reference(op, *inputs, **attrs)
