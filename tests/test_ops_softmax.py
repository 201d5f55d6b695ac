"""Softmax and LogSoftmax against onnxruntime, quantized Softmax against LiteRT."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from op_cases import run_onnxruntime, run_reference
from tflite_cases import Quantized, run_litert, run_quantized

from millijoule.runtime.errors import ModelError


@pytest.mark.parametrize("op", ["Softmax", "LogSoftmax"])
@pytest.mark.parametrize(("shape", "axis"), [((2, 5), -1), ((2, 3, 4), 1), ((3, 4), 0), ((1, 2, 3, 4), -2)])
def test_is_onnxruntimes(op: str, shape: tuple[int, ...], axis: int) -> None:
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32) * 30
    np.testing.assert_allclose(
        run_reference(op, x, axis=axis)[0], run_onnxruntime(op, x, axis=axis)[0], rtol=1e-5, atol=1e-6
    )


def test_large_inputs_do_not_overflow() -> None:
    x = np.array([[3e38, -3e38, 3e38]], np.float32)
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(run_reference("Softmax", x)[0], [[0.5, 0, 0.5]])


def test_bad_axis_is_told() -> None:
    with pytest.raises(ModelError, match=r"tested.*axis 2"):
        run_reference("Softmax", np.zeros((2, 3), np.float32), axis=2)


def litert(x: np.ndarray, source: Quantized, target: Quantized) -> np.ndarray:
    return run_litert("SOFTMAX", [source], target, ("SoftmaxOptions", {"Beta": 1.0}), x)


@pytest.mark.parametrize("scale", [0.004, 0.05, 0.4])
@pytest.mark.parametrize("classes", [2, 12, 200, 1001])
def test_quantized_is_litert(classes: int, scale: float) -> None:
    x = np.random.default_rng(classes).integers(-128, 128, (300, classes)).astype(np.int8)
    source, target = Quantized(x.shape, scale, 9), Quantized(x.shape, 1 / 256, -128)
    got = run_quantized("Softmax", [replace(source, data=x)], target)
    np.testing.assert_array_equal(got, litert(x, source, target))


def test_halves_round_up_as_litert_does() -> None:
    """512 equal largest inputs of 1024: each gets half a quantum."""
    x = np.full((1, 1024), -128, np.int8)
    x[0, :512] = 127
    source, target = Quantized(x.shape, 1.0), Quantized(x.shape, 1 / 256, -128)
    got = run_quantized("Softmax", [replace(source, data=x)], target)
    np.testing.assert_array_equal(got, litert(x, source, target))
    assert got[0, 0] == -127


def test_quantized_along_another_axis() -> None:
    x = np.random.default_rng(0).integers(-128, 128, (3, 7, 5)).astype(np.int8)
    source, target = Quantized(x.shape, 0.1, 3), Quantized(x.shape, 1 / 256, -128)
    moved = np.ascontiguousarray(x.transpose(0, 2, 1))
    want = run_quantized("Softmax", [replace(source, data=moved, shape=moved.shape)], target)
    got = run_quantized("Softmax", [replace(source, data=x)], target, axis=1)
    np.testing.assert_array_equal(got, want.transpose(0, 2, 1))
