"""Elementwise kernels on stored integers, bit for bit: tables, sums, products, quantization, casts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from kernel_cases import TARGETS, Operand, Output, check_model, check_node, const, feed, node_model, run_model

from millijoule.runtime.graph import Graph, Node, Quantization, Value
from millijoule.runtime.lowering.cast import CASTABLE
from millijoule.runtime.model import Model
from millijoule.runtime.targets.cpu import host_machine

pytestmark = pytest.mark.skipif(not TARGETS, reason="this system runs no compiled kernels")

ONE_ROUNDING = 1e-7
"""Relative: a product of float32 numbers, which NumPy rounds just as well."""
SIZES = [1, 3, 15, 16, 17, 63, 64, 100, 1000]


def quant(scale: float, zero_point: int) -> Quantization:
    return Quantization.per_tensor(scale, zero_point)


def integers(*shape: int, dtype: str = "int8", seed: int = 0) -> np.ndarray:
    limits = np.iinfo(dtype)
    return np.random.default_rng([seed, *shape]).integers(limits.min, limits.max, shape, dtype, endpoint=True)


def every_byte(dtype: str = "int8") -> np.ndarray:
    return np.arange(256).astype(np.uint8).view(dtype)


@pytest.mark.parametrize("target", TARGETS)
def test_any_function_of_one_tensor_is_a_table(target: str) -> None:
    out = [Output("int8", quant(1 / 256, -128))]
    check_node("Sigmoid", [feed(every_byte(), quant(0.05, 3))], out, target=target)
    for size in SIZES:
        check_node("Sigmoid", [feed(integers(2, size), quant(0.05, 3))], out, target=target)


@pytest.mark.parametrize(
    ("op", "attrs", "rest"),
    [
        ("Sin", {}, []),
        ("LeakyRelu", {"alpha": 0.2}, []),
        ("Gelu", {"approximate": "tanh"}, []),
        ("Clip", {}, [const(np.float32(-1)), const(np.float32(2))]),
        ("Clip", {}, [None, const(np.float32(2))]),
    ],
)
def test_tables_of_operators_with_parameters(op: str, attrs: dict[str, Any], rest: Sequence[Operand | None]) -> None:
    operands = [feed(every_byte(), quant(0.03, -5)), *rest]
    assert "quantized.lookup()" in check_node(op, operands, [Output("int8", quant(0.02, 7))], **attrs)


PARTNERS: list[tuple[tuple[int, ...], tuple[int, ...]]] = [
    ((5, 100), (5, 100)),
    ((5, 100), (100,)),
    ((5, 100), (5, 1)),
    ((40, 6), (1,)),
    ((2, 3, 4, 24), (2, 1, 1, 24)),
    ((3,), (3,)),
]


REAL = {"real": 1}
"""Summed as real numbers, as QDQ models mean it, and not in LiteRT's fixed point."""


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(("op", "attrs"), [("Add", {}), ("Add", REAL), ("Mul", {})])
def test_sums_and_products_broadcast(op: str, attrs: dict[str, Any], target: str) -> None:
    for a, b in PARTNERS:
        for kind in (feed, const):
            operands = [feed(integers(*a), quant(0.05, 3)), kind(integers(*b, seed=1), quant(0.03, -7))]
            check_node(op, operands, [Output("int8", quant(0.06, 5))], target=target, **attrs)
            check_node(op, operands[::-1], [Output("int8", quant(0.06, 5))], target=target, **attrs)


@pytest.mark.parametrize(("op", "attrs"), [("Add", {}), ("Add", REAL), ("Sub", {}), ("Sub", REAL), ("Mul", {})])
def test_sums_and_products_with_any_scales(op: str, attrs: dict[str, Any]) -> None:
    """Every pair of bytes, for ratios of scales from a thousandth to thousands, extreme zero points and clamps."""
    a, b = (np.ascontiguousarray(m) for m in np.meshgrid(every_byte(), every_byte()))
    random = np.random.default_rng(5)
    for _ in range(12):
        scales = np.exp(random.uniform(-7, 3, 3))
        zeros = random.choice([-128, -3, 0, 60, 127], 3)
        sources = [feed(x, quant(scale, zero)) for x, scale, zero in zip((a, b), scales, zeros, strict=False)]
        activation = random.choice(["Relu", "Relu6", ""]) or None
        check_node(op, sources, [Output("int8", quant(scales[2], zeros[2]))], activation=activation, **attrs)


@pytest.mark.parametrize(
    ("op", "scale", "attrs"),
    [
        ("Add", 1e-9, {}),
        ("Add", 1e-9, REAL),
        ("Mul", 1e-9, {}),
        ("Add", 0.1, {"activation": "Sigmoid"}),
        ("Div", 0.1, {}),
    ],
)
def test_what_integers_cannot_do_is_left_to_numpy(op: str, scale: float, attrs: dict[str, Any]) -> None:
    operands = [feed(integers(3, 7), quant(0.5, 3)), feed(integers(3, 7, seed=1), quant(0.5, -7))]
    outputs = [Output("int8", quant(scale, 5))]
    check_model(*node_model(op, operands, outputs, **attrs), numpy_steps=1)


def reals(*shape: int, scale: float) -> np.ndarray:
    """Around every step of the scale, halves among them, and what has no integer."""
    x = np.random.default_rng(3).integers(-600, 600, shape) * np.float32(scale / 2)
    x = x.astype(np.float32)
    x.flat[: min(5, x.size)] = np.array([np.nan, np.inf, -np.inf, 3e38, -1e-42], np.float32)[: x.size]
    return x


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_quantize(dtype: str, target: str) -> None:
    zero_point = const(np.array(3, dtype))
    for size in SIZES:
        operands = [feed(reals(size, scale=0.03)), const(np.float32(0.03)), zero_point]
        check_node("QuantizeLinear", operands, [Output(dtype)], target=target)
        check_node("QuantizeLinear", operands, [Output(dtype, quant(0.03, 3))], target=target)


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_quantize_and_dequantize_per_axis(axis: int) -> None:
    shape = (4, 6, 35)
    scale = np.random.default_rng(1).uniform(0.01, 0.02, shape[axis]).astype(np.float32)
    zeros = const(np.full(shape[axis], 3, np.int8))
    check_node("QuantizeLinear", [feed(reals(*shape, scale=0.015)), const(scale), zeros], [Output("int8")], axis=axis)
    check_node("DequantizeLinear", [feed(integers(*shape)), const(scale), zeros], axis=axis, rtol=ONE_ROUNDING)


def test_a_scale_known_at_run_time_only() -> None:
    scale = feed(np.array(0.25, np.float32))
    check_node("QuantizeLinear", [feed(reals(77, scale=0.25)), scale], [Output("uint8")])
    check_node("DequantizeLinear", [feed(integers(77)), scale], rtol=ONE_ROUNDING)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(("dtype", "zero_point"), [("int8", -7), ("uint8", 200)])
def test_a_zero_point_known_at_run_time_only(dtype: str, zero_point: int, target: str) -> None:
    rest = [feed(np.array(0.25, np.float32)), feed(np.array(zero_point, dtype))]
    for size in (3, 77):
        check_node("QuantizeLinear", [feed(reals(size, scale=0.25)), *rest], [Output(dtype)], target=target)


def test_several_zero_points() -> None:
    scale, zeros = np.array([0.1, 0.2, 0.3], np.float32), np.array([-5, 0, 100], np.int8)
    for shape, axis in (((4, 3, 35), 1), ((40, 3), 1)):
        operands = [feed(reals(*shape, scale=0.2)), const(scale), const(zeros)]
        check_node("QuantizeLinear", operands, [Output("int8")], axis=axis)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(("dtype", "zero_point"), [("int8", -7), ("uint8", 200), ("int32", 0)])
def test_dequantize(dtype: str, zero_point: int, target: str) -> None:
    rest = [const(np.float32(0.03)), const(np.array(zero_point, dtype))]
    for size in (3, 100):
        data = integers(size, dtype=dtype)
        check_node("DequantizeLinear", [feed(data), *rest], target=target, rtol=ONE_ROUNDING)
        operands = [feed(data, quant(0.03, zero_point)), *rest]
        check_node("DequantizeLinear", operands, target=target, rtol=ONE_ROUNDING)


def test_several_zero_points_are_left_to_numpy() -> None:
    operands = [feed(integers(5, 3)), const(np.array([1, 2, 3], np.float32)), const(np.array([1, 2, 3], np.int8))]
    check_model(*node_model("DequantizeLinear", operands), numpy_steps=1)


REQUANTIZED = [
    ("uint8", 131, "int8", 3, 0.03),
    ("int8", 3, "uint8", 131, 0.03),
    ("uint8", 131, "int8", 4, 0.03),
    ("int8", 3, "int8", -100, 0.03),
    ("int8", 3, "int8", 5, 0.011),
    ("int8", 3, "int8", 5, 0.21),
    ("uint8", 9, "uint8", 77, 0.02),
]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize(("dtype", "zero", "to", "to_zero", "scale"), REQUANTIZED)
def test_requantize(dtype: str, zero: int, to: str, to_zero: int, scale: float, target: str) -> None:
    operand = feed(np.concatenate([every_byte(dtype), integers(41, dtype=dtype)]), quant(0.03, zero))
    check_node("Requantize", [operand], [Output(to, quant(scale, to_zero))], target=target, to=to)


def requantized(nodes: Sequence[Node], inner: Quantization) -> Model:
    """uint8 x, requantized to int8, through nodes, and back to uint8; all values of one scale."""
    graph = Graph(inputs=["x"], outputs=["y"], nodes=[Node("Requantize", ["x"], ["q"], {"to": "int8"}), *nodes])
    graph.nodes.append(Node("Requantize", [graph.nodes[-1].outputs[0]], ["y"], {"to": "uint8"}))
    outer = quant(float(inner.scale[0]), int(inner.zero_point[0]) + 128)
    for node in graph.nodes:
        name = node.outputs[0]
        graph.add_value(
            Value(name, np.dtype("uint8" if name == "y" else "int8"), None, outer if name == "y" else inner)
        )
    graph.add_value(Value("x", np.dtype(np.uint8), (2, 9, 7, 16), outer))
    return Model(graph)


def test_a_shift_by_128_moves_no_byte_where_int8_is_held_as_unsigned() -> None:
    x = {"x": integers(2, 9, 7, 16, dtype="uint8")}
    double = Node("Add", ["q", "q"], ["z"])
    kernels = check_model(requantized([double], quant(0.1, 4)), x)
    names = [kernel.partition("(")[0] for kernel in kernels]
    add = ["quantized.add_int8"]
    assert names == (add if host_machine() == "x86-64" else ["copy.copy", *add, "copy.copy"])
    assert len(check_model(requantized([], quant(0.1, 4)), x)) == (0 if host_machine() == "x86-64" else 2)


def test_a_shifted_input_meets_a_convolution_with_a_border() -> None:
    model = requantized([Node("Conv", ["q", "w"], ["z"], {"pads": [1, 1, 1, 1]})], quant(0.1, 4))
    model.graph.add_constant("w", integers(16, 3, 3, 16), Quantization.per_tensor(0.004, 0))
    check_model(Model(model.graph), {"x": integers(2, 9, 7, 16, dtype="uint8")})


CASTS = [
    *(("float32", to) for to in ("int64", "int32", "uint8", "bool")),
    *((source, "float32") for source in ("int64", "int32", "int8", "uint8", "bool")),
    *(("int64", "int32"), ("int32", "int64"), ("uint8", "int64"), ("int32", "int8"), ("int64", "bool")),
]


@pytest.mark.parametrize(("source", "to"), CASTS)
def test_cast(source: str, to: str) -> None:
    for size in (3, 16, 77):
        x = np.random.default_rng(size).normal(0, 90, size)
        x = np.abs(x) if to == "uint8" or source == "uint8" else x
        data = (x > 0) if source == "bool" else x.astype(source)
        check_node("Cast", [feed(data)], [Output(to)], to=to)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("to", ["int64", "int32", "int8", "uint8", "bool"])
def test_casts_of_any_float_are_the_references(to: str, target: str) -> None:
    sizes = [0, 1e-45, 1e-39, 0.9, 1, 127.5, 128, 255.9, 256, 300.7, 2147483520, 2147483648, 3e9, 9.3e18, 3e38, np.inf]
    x = np.array([*sizes, *(-size for size in sizes), np.nan], np.float32)
    check_node("Cast", [feed(x)], [Output(to)], target=target, to=to)


@pytest.mark.parametrize("target", TARGETS)
def test_casts_of_what_does_not_fit_saturate(target: str) -> None:
    x = np.array([np.nan, np.inf, -np.inf, 3e9, -3e9, 2147483520.0, -2147483648.0, 1.9, -1.9], np.float32)
    model, feeds = node_model("Cast", [feed(x)], [Output("int32")], to="int32")
    found, _ = run_model(model, feeds, target=target)
    most, least = 2**31 - 1, -(2**31)
    assert found["y0"].tolist() == [0, most, least, most, least, 2147483520, least, 1, -1]


@pytest.mark.parametrize("target", TARGETS)
def test_casts_of_halves_round_to_even(target: str) -> None:
    steps = 0 if target != "x86-64-v2" else 1
    bits = np.arange(0, 1 << 16, 7, dtype=np.uint16)
    model, feeds = node_model("Cast", [feed(bits.view(np.float16))], [Output("float32")], to="float32")
    check_model(model, feeds, target=target, numpy_steps=steps)
    with np.errstate(over="ignore", invalid="ignore"):
        halves = bits.view(np.float16).astype(np.float32)
        numbers = np.concatenate([halves, halves * np.float32(1.0004883), [1e-9, 65519, 65520, 1e6]]).astype(np.float32)
        model, feeds = node_model("Cast", [feed(numbers)], [Output("float16")], to="float16")
        check_model(model, feeds, target=target, numpy_steps=steps)


def test_casts_name_dtypes_that_numpy_knows() -> None:
    assert {np.dtype(name).name for name in CASTABLE} == CASTABLE
    model, feeds = node_model("Cast", [feed(np.arange(5, dtype=np.int16))], [Output("float32")], to="float32")
    check_model(model, feeds, numpy_steps=1)
