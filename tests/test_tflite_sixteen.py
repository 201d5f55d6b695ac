"""Models of 16-bit activations and 8-bit weights, by sessions with kernels, against LiteRT: within one quantum."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tflite")
pytest.importorskip("ai_edge_litert")

from tflite_builder import Model, Tensor, one_operator, run_litert

import millijoule as mj

SCALE = 2.0**-12
RNG = np.random.default_rng(2)


def wide(shape: tuple[int, ...], name: str = "x", scale: float = SCALE) -> Tensor:
    return Tensor(name, shape, "int16", scale=scale)


def weights(shape: tuple[int, ...], axis: int) -> Tensor:
    scale = RNG.uniform(0.005, 0.02, shape[axis])
    return Tensor("w", shape, "int8", RNG.integers(-127, 128, shape).astype(np.int8), scale, axis=axis)


def bias(w: Tensor) -> Tensor:
    scale = SCALE * np.asarray(w.scale)
    return Tensor("b", scale.shape, "int64", RNG.integers(-9000, 9000, scale.shape), scale)


def compare(model: Model, folder: Path, quanta: int = 1, target: str | None = "numpy") -> None:
    feeds = []
    for index in model.inputs:
        tensor = model.tensors[index]
        feeds.append(
            RNG.integers(-32768, 32768, tensor.shape).astype(np.int16)
            if tensor.dtype == "int16"
            else RNG.uniform(-3, 3, tensor.shape).astype(np.float32)
        )
    wanted = run_litert(model, feeds)
    path = folder / "model.tflite"
    path.write_bytes(model.to_bytes())
    with mj.load(mj.convert(path), target=target) as session:
        found = session.run(dict(zip(session.input_info, feeds, strict=True)))
    for got, expected in zip(found.values(), wanted, strict=True):
        assert (got.dtype, got.shape) == (expected.dtype, expected.shape)
        assert np.abs(got.astype(np.float64) - expected).max() <= quanta


def fully_connected() -> tuple[list[Tensor], Tensor]:
    w = weights((5, 8), 0)
    w.scale, w.axis = 0.01, 0
    b = Tensor("b", (5,), "int64", RNG.integers(-9000, 9000, 5), [SCALE * 0.01])
    return [wide((3, 8)), w, b], wide((3, 5), "y", 2.0**-9)


def convolution(depthwise: bool) -> tuple[list[Tensor], Tensor]:
    w = weights((1, 3, 3, 4), 3) if depthwise else weights((5, 3, 3, 4), 0)
    return [wide((1, 6, 5, 4)), w, bias(w)], wide((1, 4, 3, 4 if depthwise else 5), "y", 2.0**-8)


WINDOW = {"Padding": 1, "StrideH": 1, "StrideW": 1, "DilationHFactor": 1, "DilationWFactor": 1}


@pytest.mark.parametrize("target", ["numpy", None])
@pytest.mark.parametrize("kind", ["FULLY_CONNECTED", "CONV_2D", "DEPTHWISE_CONV_2D"])
def test_products(kind: str, target: str | None, tmp_path: Path) -> None:
    options: dict[str, tuple[str, dict[str, Any]]] = {
        "FULLY_CONNECTED": ("FullyConnectedOptions", {}),
        "CONV_2D": ("Conv2DOptions", {**WINDOW, "FusedActivationFunction": 1}),
        "DEPTHWISE_CONV_2D": ("DepthwiseConv2DOptions", {**WINDOW, "DepthMultiplier": 1}),
    }
    inputs, output = fully_connected() if kind == "FULLY_CONNECTED" else convolution(kind != "CONV_2D")
    compare(one_operator(kind, inputs, [output], options[kind]), tmp_path, target=target)


@pytest.mark.parametrize(
    ("kind", "options", "scale"),
    [
        ("LOGISTIC", None, 2.0**-15),
        ("TANH", None, 2.0**-15),
        ("RELU", None, SCALE),
        ("LEAKY_RELU", ("LeakyReluOptions", {"Alpha": 0.3}), SCALE),
        ("SOFTMAX", ("SoftmaxOptions", {"Beta": 1.0}), 2.0**-15),
        ("ABS", ("AbsOptions", {}), SCALE),
    ],
)
def test_functions(kind: str, options: Any, scale: float, tmp_path: Path) -> None:
    """LiteRT's tables and fixed point lose some of the 16 bits."""
    model = one_operator(kind, [wide((2, 40))], [wide((2, 40), "y", scale)], options)
    compare(model, tmp_path, quanta=12 if kind in ("LOGISTIC", "TANH", "SOFTMAX") else 1)


@pytest.mark.parametrize("kind", ["ADD", "MUL"])
def test_arithmetic(kind: str, tmp_path: Path) -> None:
    inputs = [wide((4, 30)), wide((4, 30), "b", 2.0**-13)]
    options = (f"{kind.title()}Options", {"PotScaleInt16": False} if kind == "ADD" else {})
    compare(one_operator(kind, inputs, [wide((4, 30), "y", 2.0**-10)], options), tmp_path)


@pytest.mark.parametrize("kind", ["MAX_POOL_2D", "AVERAGE_POOL_2D"])
def test_pools(kind: str, tmp_path: Path) -> None:
    options = ("Pool2DOptions", {"Padding": 1, "StrideH": 2, "StrideW": 2, "FilterHeight": 2, "FilterWidth": 2})
    compare(one_operator(kind, [wide((1, 4, 6, 3))], [wide((1, 2, 3, 3), "y")], options), tmp_path, target=None)


def test_to_and_from_floats(tmp_path: Path) -> None:
    x = Tensor("x", (3, 20), "float32")
    compare(one_operator("QUANTIZE", [x], [wide((3, 20), "y")], ("QuantizeOptions", {})), tmp_path)
    y = Tensor("y", (3, 20), "float32")
    compare(one_operator("DEQUANTIZE", [wide((3, 20))], [y], ("DequantizeOptions", {})), tmp_path, target=None)
