"""Quantized ONNX operators: QDQ pairs are kept, fused ones taken apart. Against onnxruntime."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx")

import onnx
from onnx import helper
from onnx_models import MICROSOFT, Type, agree, graph_from, model_of, node
from onnxruntime_session import open_session

import millijoule
from millijoule.runtime.evaluate.reference import run

RNG = np.random.default_rng(11)
BYTES = {"x": ((2, 4, 6, 5), "uint8")}


def codes(dtype: str, *shape: int) -> np.ndarray:
    limits = np.iinfo(dtype)
    return RNG.integers(limits.min, limits.max + 1, shape).astype(dtype)


def scale(*shape: int) -> np.ndarray:
    return RNG.uniform(0.01, 0.05, shape).astype(np.float32)


def ops(graph: Any) -> list[str]:
    return [found.op for found in graph.nodes]


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_quantize_and_dequantize_per_tensor(dtype: str) -> None:
    constants = {"s": np.float32(0.02), "z": np.array(3, dtype)}
    nodes = [node("QuantizeLinear", "x s z", "q"), node("DequantizeLinear", "q s z", "y")]
    graph = agree(nodes, {"x": ((3, 7), "float32")}, "q y", constants, opset=10)
    assert graph.values["q"].dtype == dtype and graph.values["q"].quant is None


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_quantize_per_channel(axis: int) -> None:
    size = (3, 7)[axis]
    constants = {"s": scale(size), "z": codes("int8", size)}
    nodes = [
        node("QuantizeLinear", "x s z", "q", axis=axis),
        node("DequantizeLinear", "q s z", "y", axis=axis),
    ]
    agree(nodes, {"x": ((3, 7), "float32")}, "q y", constants, opset=13)


def test_quantize_to_a_named_type() -> None:
    nodes = [node("QuantizeLinear", "x s", "y", output_dtype=onnx.TensorProto.INT16)]
    agree(nodes, {"x": ((3, 7), "float32")}, "y", {"s": np.float32(0.001)}, opset=21)


@pytest.mark.parametrize("weights", ["int8", "uint8"])
@pytest.mark.parametrize("channels", [(), (6,)])
def test_q_linear_conv(weights: str, channels: tuple[int, ...]) -> None:
    constants = {
        "xs": np.float32(0.02),
        "xz": np.uint8(117),
        "w": codes(weights, 6, 4, 3, 3),
        "ws": scale(*channels),
        "wz": np.zeros(channels, weights) if weights == "int8" else np.full(channels, 128, weights),
        "ys": np.float32(0.5),
        "yz": np.uint8(120),
        "b": RNG.integers(-3000, 3000, 6).astype(np.int32),
    }
    nodes = [node("QLinearConv", "x xs xz w ws wz ys yz b", "y", pads=[1, 1, 1, 1], strides=[2, 1])]
    graph = agree(nodes, BYTES, constants=constants, opset=10, quanta=1)
    assert ops(graph).count("DequantizeLinear") == 3 and "Conv" in ops(graph)
    nodes = [node("QLinearConv", "x xs xz w ws wz ys yz", "y")]
    agree(nodes, BYTES, constants=constants, opset=10, quanta=1)


def test_q_linear_matmul() -> None:
    constants = {
        "as": np.float32(0.02),
        "az": np.uint8(100),
        "b": codes("int8", 5, 3),
        "bs": scale(3),
        "bz": np.zeros(3, np.int8),
        "ys": np.float32(0.2),
        "yz": np.uint8(128),
    }
    nodes = [node("QLinearMatMul", "x as az b bs bz ys yz", "y")]
    agree(nodes, {"x": ((2, 4, 5), "uint8")}, constants=constants, opset=10, quanta=1)


@pytest.mark.parametrize("points", ["", " xz", " xz wz"])
def test_integer_products(points: str) -> None:
    constants = {"xz": np.uint8(100), "wz": np.int8(5)}
    inputs: dict[str, Type] = {"x": ((3, 5), "uint8"), "w": ((5, 2), "int8")}
    feeds = {"x": codes("uint8", 3, 5), "w": codes("int8", 5, 2) // 2}
    agree([node("MatMulInteger", f"x w{points}", "y")], inputs, constants=constants, opset=10, feeds=feeds)
    agree(
        [node("MatMulInteger", f"x w{points}", "y")], {"x": inputs["x"]}, "y", {**constants, "w": codes("int8", 5, 2)}
    )
    unsigned = {"xz": np.uint8(100), "wz": np.uint8(5), "w": codes("uint8", 6, 2, 3, 3)}
    attrs = {"pads": [1, 1, 1, 1], "group": 2}
    agree([node("ConvInteger", f"x w{points}", "y", **attrs)], BYTES, constants=unsigned, opset=10)


@pytest.mark.parametrize("largest", [4, 127])
@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_known_weights_of_integer_products_stay_small(dtype: str, largest: int) -> None:
    """Stored in 8 bits, and exact also where sums of products pass 2**24, against arithmetic with 64-bit integers."""
    terms, middle = 1152, 128 if dtype == "uint8" else 0
    random = np.random.default_rng(2)
    extremes = np.where(random.integers(0, 9, (terms, 6)) > 0, largest, -largest)
    constants = {
        "xz": np.uint8(0),
        "wz": np.array(middle, dtype),
        "w": (extremes + middle).astype(dtype),
        "k": (extremes.T.reshape(6, 128, 3, 3) + middle).astype(dtype),
    }
    nodes = [node("MatMulInteger", "x w xz wz", "y"), node("ConvInteger", "z k xz wz", "c")]
    inputs: dict[str, Type] = {"x": ((2, terms), "uint8"), "z": ((1, 128, 4, 3), "uint8")}
    graph = graph_from(model_of(nodes, inputs, "y c", constants, 10))
    stored = {str(value.dtype) for value in graph.values.values() if value.data is not None and value.data.size > 64}
    assert stored == {"int8"}
    kept = {str(graph.values[found.outputs[0]].dtype) for found in graph.nodes if found.op in ("MatMul", "Conv")}
    assert kept == ({"float32"} if largest == 4 else {"int32", "float64"})
    x, z = np.full((2, terms), 255, np.uint8), np.full((1, 128, 4, 3), 255, np.uint8)
    x[1] = random.integers(0, 256, terms)
    found = run(graph, {"x": x, "z": z})
    np.testing.assert_array_equal(found["y"], x.astype(np.int64) @ extremes)
    rows = [z[0, :, top : top + 3].reshape(-1).astype(np.int64) @ extremes for top in range(2)]
    np.testing.assert_array_equal(found["c"][0, :, :, 0].T, rows)
    if largest == 127:
        assert np.abs(found["y"][0]).max() > 2**24


def test_zero_points_per_column() -> None:
    constants = {"xz": np.uint8(100), "w": codes("int8", 5, 2), "wz": np.array([3, -7], np.int8)}
    agree([node("MatMulInteger", "x w xz wz", "y")], {"x": ((3, 5), "uint8")}, "y", constants, opset=10)


def test_dynamic_quantization() -> None:
    graph = agree([node("DynamicQuantizeLinear", "x", "q s z")], {"x": ((3, 7), "float32")}, "q s z", opset=11)
    assert ops(graph) == ["DynamicQuantizeLinear"]


@pytest.mark.parametrize("op", ["QLinearAdd", "QLinearMul"])
def test_q_linear_arithmetic(op: str) -> None:
    constants = {name: np.float32(0.02) for name in ("as", "bs")} | {"ys": np.float32(0.05)}
    constants |= {name: np.uint8(value) for name, value in (("az", 120), ("bz", 7), ("yz", 30))}
    inputs = {"a": ((2, 3, 4), "uint8"), "b": ((3, 1), "uint8")}
    nodes = [node(op, "a as az b bs bz ys yz", "y", domain=MICROSOFT)]
    agree(nodes, inputs, constants=constants, quanta=1)


@pytest.mark.parametrize("op", ["QLinearSigmoid", "QLinearLeakyRelu", "QLinearGlobalAveragePool", "QLinearAveragePool"])
def test_q_linear_unary_operators_and_pools(op: str) -> None:
    constants = {"xs": np.float32(0.03), "xz": np.uint8(100), "ys": np.float32(0.02), "yz": np.uint8(10)}
    attrs: dict[str, Any] = {"alpha": 0.2} if op == "QLinearLeakyRelu" else {}
    if op == "QLinearAveragePool":
        attrs = {"kernel_shape": [3, 2], "strides": [2, 2], "pads": [1, 0, 1, 0]}
    agree([node(op, "x xs xz ys yz", "y", domain=MICROSOFT, **attrs)], BYTES, constants=constants, quanta=1)


def test_q_linear_concat_and_gemm() -> None:
    constants = {f"s{i}": np.float32(0.01 * (i + 1)) for i in range(3)} | {f"z{i}": np.uint8(i * 40) for i in range(3)}
    inputs = {"a": ((2, 3), "uint8"), "b": ((2, 4), "uint8")}
    nodes = [node("QLinearConcat", "s0 z0 a s1 z1 b s2 z2", "y", domain=MICROSOFT, axis=1)]
    agree(nodes, inputs, constants=constants, quanta=1)

    constants = {
        "as": np.float32(0.02),
        "az": np.uint8(100),
        "b": codes("int8", 3, 5),
        "bs": scale(3),
        "bz": np.zeros(3, np.int8),
        "c": RNG.integers(-3000, 3000, 3).astype(np.int32),
        "ys": np.float32(0.2),
        "yz": np.uint8(128),
    }
    nodes = [node("QGemm", "a as az b bs bz c ys yz", "y", domain=MICROSOFT, transB=1)]
    agree(nodes, {"a": ((4, 5), "uint8")}, constants=constants, quanta=1)
    nodes = [node("QGemm", "a as az b bs bz c", "y", domain=MICROSOFT, transB=1)]
    agree(nodes, {"a": ((4, 5), "uint8")}, constants=constants)


def test_convolution_with_everything_fused() -> None:
    constants = {"w": RNG.standard_normal((6, 4, 3, 3)).astype(np.float32), "b": np.arange(6, dtype=np.float32)}
    inputs: dict[str, Type] = {"x": ((2, 4, 6, 5), "float32"), "z": ((2, 6, 4, 3), "float32")}
    for activation, params in (
        ("Relu", None),
        ("LeakyRelu", [0.1]),
        ("Clip", [-1.0, 2.0]),
        ("HardSigmoid", [0.1, 0.6]),
    ):
        attrs: dict[str, Any] = {"activation": activation} | ({} if params is None else {"activation_params": params})
        agree([node("FusedConv", "x w b", "y", domain=MICROSOFT, **attrs)], {"x": inputs["x"]}, "y", constants)
    agree([node("FusedConv", "x w b z", "y", domain=MICROSOFT, activation="Relu")], inputs, "y", constants)


def test_fused_products() -> None:
    inputs: dict[str, Type] = {"a": ((2, 5, 3), "float32"), "b": ((2, 4, 5), "float32")}
    agree([node("FusedMatMul", "a b", "y", domain=MICROSOFT, transA=1, transB=1, alpha=0.5)], inputs)
    inputs = {"a": ((4, 3), "float32"), "b": ((3, 2), "float32")}
    attrs = {"activation": "LeakyRelu", "activation_alpha": 0.3}
    agree([node("FusedGemm", "a b c", "y", domain=MICROSOFT, **attrs)], inputs, constants={"c": np.ones(2, np.float32)})


@pytest.mark.parametrize(
    ("op", "operands"), [("Gelu", "x"), ("FastGelu", "x b"), ("BiasGelu", "x b"), ("QuickGelu", "x")]
)
def test_gelu_of_every_kind(op: str, operands: str) -> None:
    constants = {"b": np.linspace(-1, 1, 4, dtype=np.float32)} if "b" in operands else {}
    agree([node(op, operands, "y", domain=MICROSOFT)], {"x": ((3, 4), "float32")}, constants=constants)


def four_bits(name: str, shape: tuple[int, ...], values: list[int]) -> onnx.TensorProto:
    if not hasattr(onnx.TensorProto, "INT4"):
        pytest.skip("this onnx package does not know 4-bit integers")
    return helper.make_tensor(name, onnx.TensorProto.INT4, shape, values)


def test_four_bit_weights_are_widened() -> None:
    values = RNG.integers(-8, 8, (3, 5)).astype(np.int8)
    packed = four_bits("w", values.shape, values.reshape(-1).tolist())
    nodes = [node("DequantizeLinear", "w s", "wide"), node("MatMul", "x wide", "y")]
    model = model_of(nodes, {"x": ((2, 3), "float32")}, "y", {"s": np.float32(0.5)}, opset=21)
    model.graph.initializer.append(packed)
    graph = graph_from(model)
    np.testing.assert_array_equal(graph.constant("w"), values)
    x = RNG.standard_normal((2, 3)).astype(np.float32)
    np.testing.assert_allclose(run(graph, {"x": x})["y"], x @ (values * np.float32(0.5)), rtol=1e-5)


def test_activations_of_four_bits_are_held_in_eight() -> None:
    zero = four_bits("z", (), [1])
    model = model_of(
        [node("QuantizeLinear", "x s z", "y")], {"x": ((5,), "float32")}, "y", {"s": np.float32(0.5)}, opset=21
    )
    model.graph.initializer.append(zero)
    x = np.array([-100, -1.25, 0.3, 2.75, 100], np.float32)
    found = run(graph_from(model), {"x": x})["y"]
    assert found.dtype == np.int8
    np.testing.assert_array_equal(found, [-8, -1, 2, 7, 7])


@pytest.mark.parametrize("shape", [(4, 1), (4,), (1, 4), (1, 1), ()])
def test_a_bias_of_each_row_is_none_of_each_output(shape: tuple[int, ...], tmp_path: Path) -> None:
    """Also where there are as many rows as outputs."""
    nodes = [
        node("QuantizeLinear", "x xs xz", "xq"), node("DequantizeLinear", "xq xs xz", "xd"),
        node("DequantizeLinear", "w ws wz", "wd"), node("Gemm", "xd wd b", "g"),
        node("QuantizeLinear", "g ys yz", "yq"), node("DequantizeLinear", "yq ys yz", "y"),
    ]  # fmt: skip
    zero, rng = np.int8(0), np.random.default_rng(0)
    constants = {
        "xs": np.float32(0.05), "xz": np.int8(3), "ws": np.float32(0.02), "wz": zero, "ys": np.float32(0.1), "yz": zero,
        "w": codes("int8", 5, 4) // 2, "b": 3 * rng.normal(size=shape).astype(np.float32),
    }  # fmt: skip
    model = model_of(nodes, {"x": ((4, 5), "float32")}, "y", constants)
    onnx.save(model, tmp_path / "model.onnx")
    x = rng.normal(size=(4, 5)).astype(np.float32)
    wanted = open_session(tmp_path / "model.onnx", optimize=False).run(None, {"x": x})[0]
    with millijoule.load(tmp_path / "model.onnx", target="numpy") as session:
        steps = np.rint((session.run(x)["y"] - wanted) / constants["ys"])
    taken = constants["xs"] * (np.clip(np.rint(x / constants["xs"]) + 3, -128, 127) - 3).astype(np.float64)
    exact = (taken @ (constants["ws"] * constants["w"].astype(np.float64)) + constants["b"]) / constants["ys"]
    # A bias may be rounded to steps of xs * ws, half of which moves a sum that lies halfway between two integers.
    halfway = abs(exact - np.floor(exact) - 0.5) <= 0.5 * constants["xs"] * constants["ws"] / constants["ys"] + 1e-4
    np.testing.assert_array_equal(steps[~halfway], 0)
    assert abs(steps).max() <= 1
