"""Convolutions, pools and matrix products of TFLite, converted and run in NumPy, against LiteRT."""

from __future__ import annotations

import struct
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tflite")
pytest.importorskip("ai_edge_litert")

from tflite_builder import Model, Operator, Tensor, compare, converted, one_operator, random_feeds, run_converted

SAME, VALID = 0, 1
RNG = np.random.default_rng(5)


def real(shape: tuple[int, ...], name: str = "x", dtype: str = "float32") -> Tensor:
    return Tensor(name, shape, dtype)


def weights(shape: tuple[int, ...], dtype: str = "float32", name: str = "w") -> Tensor:
    return Tensor(name, shape, dtype, np.random.default_rng(len(shape)).uniform(-1, 1, shape).astype(dtype))


def int8_weights(shape: tuple[int, ...], axis: int | None, name: str = "w", dtype: str = "int8") -> Tensor:
    rng = np.random.default_rng(7)
    data = rng.integers(-127, 128, shape).astype(np.int8)
    if axis is None:
        return Tensor(name, shape, dtype, data, scale=0.01)
    return Tensor(name, shape, dtype, data, scale=rng.uniform(0.005, 0.02, shape[axis]), axis=axis)


def int32_bias(count: int, x: Tensor, w: Tensor) -> Tensor:
    x_scale, w_scale = np.asarray(x.scale, np.float32), np.asarray(w.scale, np.float32)
    scale = np.broadcast_to(x_scale * w_scale, count)
    data = np.random.default_rng(9).integers(-1500, 1500, count).astype(np.int32)
    return Tensor("b", (count,), "int32", data, scale=scale if w_scale.ndim else scale[:1])


def activation(shape: tuple[int, ...], name: str, scale: float = 0.05, zero_point: int = -11) -> Tensor:
    return Tensor(name, shape, "int8", scale=scale, zero_point=zero_point)


def window(**fields: int) -> dict[str, Any]:
    return {"StrideH": 1, "StrideW": 1, "DilationHFactor": 1, "DilationWFactor": 1, **fields}


GEOMETRIES = [
    window(Padding=SAME),
    window(Padding=VALID, FusedActivationFunction=1),
    window(Padding=SAME, StrideH=2, StrideW=3, FusedActivationFunction=3),
    window(Padding=VALID, DilationHFactor=2, DilationWFactor=2),
]


@pytest.mark.parametrize("options", GEOMETRIES)
@pytest.mark.parametrize("group", [1, 2])
def test_conv_2d(options: dict[str, Any], group: int, tmp_path: Path) -> None:
    inputs = [real((2, 9, 10, 6)), weights((8, 3, 3, 6 // group)), weights((8,), name="b")]
    compare(one_operator("CONV_2D", inputs, [real((), "y")], ("Conv2DOptions", options)), tmp_path)


@pytest.mark.parametrize("options", GEOMETRIES)
@pytest.mark.parametrize("axis", [0, None])
def test_quantized_conv_2d(options: dict[str, Any], axis: int | None, tmp_path: Path) -> None:
    x, w = activation((1, 9, 10, 6), "x"), int8_weights((8, 3, 3, 6), axis)
    inputs = [x, w, int32_bias(8, x, w)]
    compare(one_operator("CONV_2D", inputs, [activation((), "y", 0.11, 5)], ("Conv2DOptions", options)), tmp_path)


@pytest.mark.parametrize("options", GEOMETRIES)
@pytest.mark.parametrize("multiplier", [1, 3])
def test_depthwise_conv_2d(options: dict[str, Any], multiplier: int, tmp_path: Path) -> None:
    if options["StrideH"] != options["StrideW"]:
        options = {**options, "StrideW": options["StrideH"]}
    options = {**options, "DepthMultiplier": multiplier}
    outputs = 4 * multiplier
    inputs = [real((2, 9, 10, 4)), weights((1, 3, 3, outputs)), weights((outputs,), name="b")]
    table = "DepthwiseConv2DOptions"
    compare(one_operator("DEPTHWISE_CONV_2D", inputs, [real((), "y")], (table, options)), tmp_path)
    x, w = activation((1, 9, 10, 4), "x"), int8_weights((1, 3, 3, outputs), 3)
    inputs = [x, w, int32_bias(outputs, x, w)]
    compare(one_operator("DEPTHWISE_CONV_2D", inputs, [activation((), "y", 0.08, 5)], (table, options)), tmp_path)


def test_uint8_conv_with_asymmetric_weights(tmp_path: Path) -> None:
    w = Tensor(
        "w", (8, 3, 3, 6), "uint8", RNG.integers(0, 256, (8, 3, 3, 6)).astype(np.uint8), scale=0.01, zero_point=121
    )
    x = Tensor("x", (1, 9, 10, 6), "uint8", scale=0.05, zero_point=140)
    y = Tensor("y", (1, 9, 10, 8), "uint8", scale=0.2, zero_point=100)
    model = one_operator("CONV_2D", [x, w, int32_bias(8, x, w)], [y], ("Conv2DOptions", window(Padding=SAME)))
    compare(model, tmp_path)
    graph = converted(model, tmp_path).graph
    assert graph.values["x"].dtype == graph.values["y"].dtype == np.uint8
    assert graph.values["w"].dtype == np.int8
    assert graph.values["w"].quant is not None
    assert graph.values["w"].quant.zero_point.tolist() == [-7]


def test_hybrid_conv_keeps_int8_weights(tmp_path: Path) -> None:
    inputs = [real((1, 9, 10, 6)), int8_weights((8, 3, 3, 6), 0), weights((8,), name="b")]
    model = one_operator("CONV_2D", inputs, [real((), "y")], ("Conv2DOptions", window(Padding=SAME)))
    graph = converted(model, tmp_path).graph
    assert [node.op for node in graph.nodes] == ["DequantizeLinear", "Conv"]
    assert graph.values["w"].dtype == np.int8
    from tflite_builder import run_litert

    feeds = random_feeds(model)
    (found,), (wanted,) = run_converted(model, tmp_path, feeds), run_litert(model, feeds)
    np.testing.assert_allclose(found, wanted, atol=0.02 * np.abs(wanted).max())


@pytest.mark.parametrize("kind", ["CONV_2D", "DEPTHWISE_CONV_2D"])
def test_half_precision_weights_stay_so(kind: str, tmp_path: Path) -> None:
    depthwise = kind == "DEPTHWISE_CONV_2D"
    w = weights((1, 3, 3, 6) if depthwise else (8, 3, 3, 6), "float16", "half")
    b = weights((6 if depthwise else 8,), "float16", "half_b")
    tensors = [
        real((1, 9, 10, 6)),
        w,
        b,
        real(tuple(w.shape), "w"),
        real(tuple(b.shape), "b"),
        real((1, 9, 10, *b.shape), "y"),
    ]
    table = "DepthwiseConv2DOptions" if depthwise else "Conv2DOptions"
    fields = window(Padding=SAME, DepthMultiplier=1) if depthwise else window(Padding=SAME)
    operators = [
        Operator("DEQUANTIZE", [1], [3], ("DequantizeOptions", {})),
        Operator("DEQUANTIZE", [2], [4], ("DequantizeOptions", {})),
        Operator(kind, [0, 3, 4], [5], (table, fields)),
    ]
    model = Model(tensors, operators, [0], [5])
    compare(model, tmp_path)
    graph = converted(model, tmp_path).graph
    assert sorted(node.op for node in graph.nodes) == ["Cast", "Cast", "Conv"]
    constants = [value.dtype for value in graph.values.values() if value.data is not None]
    assert constants == [np.float16, np.float16]


@pytest.mark.parametrize("padding", [SAME, VALID])
@pytest.mark.parametrize("stride", [1, 2, 3])
def test_transpose_conv(padding: int, stride: int, tmp_path: Path) -> None:
    height, width = (4 * stride, 5 * stride) if padding == SAME else (3 + 3 * stride, 3 + 4 * stride)
    shape = Tensor("shape", (4,), "int32", np.array([1, height, width, 8], np.int32))
    options = ("TransposeConvOptions", {"Padding": padding, "StrideH": stride, "StrideW": stride})
    inputs = [shape, weights((8, 3, 3, 6)), real((1, 4, 5, 6)), weights((8,), name="b")]
    compare(one_operator("TRANSPOSE_CONV", inputs, [real((1, height, width, 8), "y")], options), tmp_path)
    compare(one_operator("TRANSPOSE_CONV", inputs[:3], [real((1, height, width, 8), "y")], options), tmp_path)
    x, w = activation((1, 4, 5, 6), "x"), int8_weights((8, 3, 3, 6), 0)
    inputs = [shape, w, x, int32_bias(8, x, w)]
    output = activation((1, height, width, 8), "y", 0.1, 3)
    compare(one_operator("TRANSPOSE_CONV", inputs, [output], options), tmp_path)


def test_transpose_conv_of_an_odd_size(tmp_path: Path) -> None:
    """The output is not the input times the stride."""
    shape = Tensor("shape", (4,), "int32", np.array([1, 7, 9, 2], np.int32))
    options = ("TransposeConvOptions", {"Padding": SAME, "StrideH": 2, "StrideW": 2})
    inputs = [shape, weights((2, 4, 4, 3)), real((1, 4, 5, 3))]
    compare(one_operator("TRANSPOSE_CONV", inputs, [real((1, 7, 9, 2), "y")], options), tmp_path)


def test_mediapipe_transpose_conv(tmp_path: Path) -> None:
    inputs = [real((1, 4, 5, 6)), weights((8, 2, 2, 6)), weights((8,), name="b")]
    options = struct.pack("<3i", 1, 2, 2)
    output = real((1, 8, 10, 8), "y")
    compare(one_operator("CUSTOM Convolution2DTransposeBias", inputs, [output], None, options), tmp_path)


POOLS = ["AVERAGE_POOL_2D", "MAX_POOL_2D", "L2_POOL_2D"]


@pytest.mark.parametrize("kind", POOLS)
@pytest.mark.parametrize("padding", [SAME, VALID])
def test_pools(kind: str, padding: int, tmp_path: Path) -> None:
    fields = {"Padding": padding, "StrideH": 2, "StrideW": 1, "FilterHeight": 3, "FilterWidth": 2}
    options = ("Pool2DOptions", {**fields, "FusedActivationFunction": 1})
    compare(one_operator(kind, [real((2, 9, 10, 5))], [real((), "y")], options), tmp_path)
    if kind != "L2_POOL_2D":
        x, y = activation((2, 9, 10, 5), "x"), activation((), "y")
        compare(one_operator(kind, [x], [y], ("Pool2DOptions", fields)), tmp_path)


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
@pytest.mark.parametrize(("padding", "kernel"), [(VALID, 2), (SAME, 2), (VALID, 4), (SAME, 3)])
def test_averages_of_stored_integers_have_ties(dtype: str, padding: int, kernel: int, tmp_path: Path) -> None:
    options = (
        "Pool2DOptions",
        {"Padding": padding, "StrideH": 2, "StrideW": 2, "FilterHeight": kernel, "FilterWidth": kernel},
    )
    x = Tensor("x", (2, 9, 11, 16), dtype, scale=0.05, zero_point=3)
    y = Tensor("y", (), dtype, scale=0.05, zero_point=3)
    compare(one_operator("AVERAGE_POOL_2D", [x], [y], options), tmp_path)


@pytest.mark.parametrize("kind", ["CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV"])
def test_a_channel_whose_scale_is_zero_gives_nothing(kind: str, tmp_path: Path) -> None:
    depthwise, dense = kind == "DEPTHWISE_CONV_2D", kind == "FULLY_CONNECTED"
    x = activation((2, 6) if dense else (1, 5, 6, 6), "x")
    w = int8_weights({"CONV_2D": (6, 3, 3, 6), "DEPTHWISE_CONV_2D": (1, 3, 3, 6), "TRANSPOSE_CONV": (6, 2, 2, 6)}.get(
        kind, (6, 6)), 3 if depthwise else 0)  # fmt: skip
    scale = np.array(w.scale, np.float32)
    scale[[1, 4]] = 0
    w = replace(w, scale=scale)
    strides = {"StrideH": 2, "StrideW": 2} if kind == "TRANSPOSE_CONV" else {"StrideH": 1, "StrideW": 1}
    fields = {"Padding": VALID, **strides, "DilationHFactor": 1, "DilationWFactor": 1, "DepthMultiplier": 1}
    known = {"TRANSPOSE_CONV": tuple(fields)[:3], "CONV_2D": tuple(fields)[:-1]}.get(kind, tuple(fields))
    name = {"CONV_2D": "Conv2D", "DEPTHWISE_CONV_2D": "DepthwiseConv2D", "TRANSPOSE_CONV": "TransposeConv"}.get(kind)
    options = (f"{name}Options", {key: fields[key] for key in known}) if name else ("FullyConnectedOptions", {})
    inputs: list[Tensor | None] = [x, w, int32_bias(6, x, w)]
    sizes = (2, 6) if dense else (1, 10, 12, 6) if kind == "TRANSPOSE_CONV" else (1, 3, 4, 6)
    if kind == "TRANSPOSE_CONV":
        inputs = [Tensor("shape", (4,), "int32", np.array(sizes, np.int32)), w, x, inputs[2]]
    compare(one_operator(kind, inputs, [activation(sizes, "y", 0.1, 3)], options), tmp_path, quanta=1)


@pytest.mark.parametrize(
    ("shape", "keep", "output"), [((3, 8), False, (3, 5)), ((2, 3, 8), True, (2, 3, 5)), ((2, 2, 2, 4), False, (4, 5))]
)
@pytest.mark.parametrize("biased", [False, True])
def test_fully_connected(shape: Any, keep: bool, output: Any, biased: bool, tmp_path: Path) -> None:
    options = ("FullyConnectedOptions", {"KeepNumDims": keep, "FusedActivationFunction": 1})
    inputs: list[Tensor | None] = [real(shape), weights((5, 8)), weights((5,), name="b") if biased else None]
    compare(one_operator("FULLY_CONNECTED", inputs, [real(output, "y")], options), tmp_path)
    for axis in (0, None):
        x, w = activation(shape, "x"), int8_weights((5, 8), axis)
        inputs = [x, w, int32_bias(5, x, w) if biased else None]
        compare(one_operator("FULLY_CONNECTED", inputs, [activation(output, "y", 0.08, 2)], options), tmp_path)


def test_four_bit_weights(tmp_path: Path) -> None:
    """Two weights a byte, the first in the low half."""
    raw = RNG.integers(0, 256, 5 * 8 // 2).astype(np.uint8)
    packed = Tensor("w", (5, 8), "int8", scale=[0.1] * 5, type_name="int4", raw=raw.tobytes())
    inputs = [real((3, 8)), packed, weights((5,), name="b")]
    options: tuple[str, dict[str, Any]] = ("FullyConnectedOptions", {})
    graph = converted(one_operator("FULLY_CONNECTED", inputs, [real((3, 5), "y")], options), tmp_path).graph
    low, high = (raw & 15).astype(np.int8), (raw >> 4).astype(np.int8)
    wanted = np.stack([low, high], -1).reshape(5, 8)
    np.testing.assert_array_equal(graph.values["w"].data, np.where(wanted > 7, wanted - 16, wanted))


@pytest.mark.parametrize("adj_x", [False, True])
@pytest.mark.parametrize("adj_y", [False, True])
def test_batch_matmul(adj_x: bool, adj_y: bool, tmp_path: Path) -> None:
    shapes = ((2, 4, 3) if adj_x else (2, 3, 4)), ((5, 4) if adj_y else (4, 5))
    inputs = [real(shapes[0]), real(shapes[1], "y")]
    options = ("BatchMatMulOptions", {"AdjX": adj_x, "AdjY": adj_y})
    compare(one_operator("BATCH_MATMUL", inputs, [real((2, 3, 5), "z")], options), tmp_path)
    inputs = [activation(shapes[0], "x"), activation(shapes[1], "y", 0.03, 4)]
    compare(one_operator("BATCH_MATMUL", inputs, [activation((2, 3, 5), "z", 0.2)], options), tmp_path, quanta=1)


def test_dilated_convolution_in_batches(tmp_path: Path) -> None:
    """How old converters wrote a dilated convolution."""
    tensors = [
        real((1, 8, 8, 3)),
        Tensor("block", (2,), "int32", np.array([2, 2], np.int32)),
        Tensor("pads", (2, 2), "int32", np.array([[2, 2], [2, 2]], np.int32)),
        weights((4, 3, 3, 3)),
        weights((4,), name="b"),
        Tensor("crops", (2, 2), "int32", np.zeros((2, 2), np.int32)),
        real((4, 6, 6, 3), "batches"),
        real((4, 4, 4, 4), "convolved"),
        real((1, 8, 8, 4), "y"),
    ]
    operators = [
        Operator("SPACE_TO_BATCH_ND", [0, 1, 2], [6], ("SpaceToBatchNDOptions", {})),
        Operator("CONV_2D", [6, 3, 4], [7], ("Conv2DOptions", window(Padding=VALID))),
        Operator("BATCH_TO_SPACE_ND", [7, 1, 5], [8], ("BatchToSpaceNDOptions", {})),
    ]
    compare(Model(tensors, operators, [0], [8]), tmp_path)
