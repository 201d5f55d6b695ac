"""DequantizeLinear -> operator -> QuantizeLinear becomes the operator on integers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from rewriting import Sketch, apply, apply_all, assert_same, only, ops

from millijoule.converters.rewrites.qdq_annotate import (
    annotate_dequantized,
    annotate_quantized,
    dequantize_from_signed,
    quantize_to_signed,
)
from millijoule.converters.rewrites.qdq_cancel import cancel_quantize, merge_requantize
from millijoule.converters.rewrites.qdq_move import (
    concat_integers,
    move_integers,
    move_signed,
    pad_integers,
    quantize_before_moving,
    split_integers,
)
from millijoule.converters.rewrites.qdq_operator import quantize_operator
from millijoule.converters.rewrites.qdq_product import quantize_product
from millijoule.converters.rewrites.reinterpret import cancel_reinterpret
from millijoule.runtime.graph import Graph, Quantization

ANNOTATE = (
    *(annotate_quantized, annotate_dequantized, cancel_reinterpret),
    *(quantize_to_signed, dequantize_from_signed, cancel_quantize, merge_requantize),
)
MOVE = (move_integers, concat_integers, pad_integers, split_integers, quantize_before_moving, move_signed)


def activation(
    sketch: Sketch, shape: tuple[Any, ...], scale: float = 0.05, zero_point: int = 3, dtype: str = "int8"
) -> str:
    """A float input that is quantized and dequantized."""
    return sketch.dequantize(sketch.quantize(sketch.input(shape), scale, zero_point, dtype), scale, zero_point)


def quantized(sketch: Sketch, x: str, scale: float = 0.1, zero_point: int = -4, dtype: str = "int8") -> str:
    return sketch.dequantize(sketch.quantize(x, scale, zero_point, dtype), scale, zero_point)


def weights(sketch: Sketch, shape: tuple[int, ...], axis: int | None, dtype: str = "int8") -> str:
    limits = np.iinfo(dtype)
    data = sketch.random.integers(limits.min + 1, limits.max + 1, shape).astype(dtype)
    if axis is None:
        zero_point = 0 if dtype == "int8" else 121
        return sketch.dequantize(sketch.constant(data), 0.01, zero_point)
    scales = sketch.constant(np.linspace(0.005, 0.02, shape[axis], dtype=np.float32))
    points = sketch.constant(np.full(shape[axis], 0 if dtype == "int8" else 128, dtype))
    return sketch.node("DequantizeLinear", sketch.constant(data), scales, points, axis=axis)


def bias(sketch: Sketch, kind: str, axis: int | None) -> list[str]:
    """Of 4 channels for an input of scale 0.05."""
    if kind == "none":
        return []
    if kind == "float":
        return [sketch.weights(4)]
    data = sketch.constant(sketch.random.integers(-300, 300, 4).astype(np.int32))
    w = np.array([0.01], np.float32) if axis is None else np.linspace(0.005, 0.02, 4, dtype=np.float32)
    scales = np.float32(0.05) * w if kind == "exact" else np.full(1, 0.002, np.float32)
    if scales.size == 1:
        return [sketch.dequantize(data, float(scales[0]), 0)]
    return [
        sketch.node("DequantizeLinear", data, sketch.constant(scales), sketch.constant(np.zeros(4, np.int32)), axis=0)
    ]


def product_graph(op: str, axis: int | None, kind: str, dtype: str = "int8", clamp: str = "") -> Graph:
    sketch = Sketch()
    x = activation(
        sketch, (2, 3) if op == "Gemm" else (1, 5, 5, 3), dtype=dtype, zero_point=131 if dtype == "uint8" else 3
    )
    products: dict[str, tuple[tuple[int, ...], int, dict[str, Any]]] = {
        "Conv": ((4, 3, 3, 3), 0, {"pads": [1, 1, 1, 1]}),
        "ConvTranspose": ((3, 2, 2, 4), 3, {"strides": [2, 2]}),
        "Gemm": ((4, 3), 0, {"transB": 1}),
        "MatMul": ((3, 4), 1, {}),
    }
    shape, channels, attrs = products[op]
    w = weights(sketch, shape, channels if axis else None, dtype)
    y = sketch.node(op, x, w, *bias(sketch, kind, axis), **attrs)
    y = sketch.node(clamp, y) if clamp else y
    return sketch.output(quantized(sketch, y, dtype=dtype, zero_point=120 if dtype == "uint8" else -4))


@pytest.mark.parametrize("dtype", ["int8", "uint8"])
@pytest.mark.parametrize("axis", [None, 1])
@pytest.mark.parametrize("op", ["Conv", "ConvTranspose", "Gemm", "MatMul"])
def test_products(op: str, axis: int | None, dtype: str) -> None:
    graph = product_graph(op, axis, "none", dtype)
    after = apply_all(graph)
    assert ops(after) == {"QuantizeLinear": 1, op: 1, "DequantizeLinear": 1}
    node = only(after, op)
    assert {after.values[name].dtype.name for name in (*node.inputs, *node.outputs)} == {"int8"}
    assert_same(graph, after, step=0.1)


@pytest.mark.parametrize("kind", ["float", "exact", "other scale"])
@pytest.mark.parametrize("axis", [None, 1])
@pytest.mark.parametrize("op", ["Conv", "Gemm"])
def test_biases_become_int32_with_the_products_scale(op: str, axis: int | None, kind: str) -> None:
    graph = product_graph(op, axis, kind)
    after = apply_all(graph)
    b = after.values[only(after, op).inputs[2]]
    x, w = (after.values[name].quant for name in only(after, op).inputs[:2])
    assert b.dtype == np.int32 and b.quant is not None and x is not None and w is not None
    np.testing.assert_array_equal(b.quant.scale, x.scale * w.scale)
    assert_same(graph, after, step=0.1)


@pytest.mark.parametrize(("clamp", "left"), [("Relu", "Relu"), ("Relu6", "Relu6")])
def test_clamps_are_fused_first(clamp: str, left: str) -> None:
    graph = product_graph("Conv", 1, "none", clamp=clamp)
    after = apply_all(graph)
    assert ops(after) == {"QuantizeLinear": 1, "Conv": 1, "DequantizeLinear": 1}
    assert only(after, "Conv").attrs["activation"] == left
    assert_same(graph, after, step=0.1)


def test_an_implied_clamp_vanishes() -> None:
    sketch = Sketch()
    y = sketch.node("Relu", sketch.node("Conv", activation(sketch, (1, 4, 4, 3)), weights(sketch, (4, 1, 1, 3), 0)))
    graph = sketch.output(quantized(sketch, y, zero_point=-128))
    after = apply_all(graph)
    assert only(after, "Conv").attrs.get("activation") is None
    assert_same(graph, after, step=0.1)


def test_products_that_stay_real() -> None:
    sketch = Sketch()
    x = activation(sketch, (1, 4, 4, 3))
    smooth = sketch.node("Sigmoid", sketch.node("Conv", x, weights(sketch, (4, 1, 1, 3), 0)))
    other_axis = sketch.node("Conv", x, weights(sketch, (4, 1, 1, 3), 3))
    real = sketch.node("Conv", x, weights(sketch, (4, 1, 1, 3), 0))
    public = sketch.node("Conv", x, weights(sketch, (4, 1, 1, 3), 0))
    scaled = sketch.node("Gemm", activation(sketch, (2, 3)), weights(sketch, (3, 4), None), alpha=0.5)
    computed = sketch.node("Conv", x, weights(sketch, (4, 1, 1, 3), None), sketch.input((4,)))
    graph = sketch.output(*(quantized(sketch, y) for y in (smooth, other_axis, public, scaled, computed)), real, public)
    after = apply_all(graph)
    assert all(after.values[node.outputs[0]].dtype == np.float32 for node in after.nodes if node.op in ("Conv", "Gemm"))
    assert_same(graph, after, step=0.1)


OPERATORS: dict[str, Callable[[Sketch, str], str]] = {
    "Add": lambda s, x: s.node("Add", x, activation(s, (1, 4, 4, 3), 0.02, 5)),
    "Sub": lambda s, x: s.node("Sub", x, activation(s, (1, 4, 4, 3), 0.02, 5)),
    "Mul": lambda s, x: s.node("Mul", x, activation(s, (3,), 0.02, 5)),
    "Mul constant": lambda s, x: s.node("Mul", x, weights(s, (4, 4, 3), None)),
    "AveragePool": lambda s, x: s.node("AveragePool", x, kernel_shape=[2, 2]),
    "GlobalAveragePool": lambda s, x: s.node("GlobalAveragePool", x),
    "MaxPool": lambda s, x: s.node("MaxPool", x, kernel_shape=[2, 2]),
    "Concat": lambda s, x: s.node("Concat", x, activation(s, (1, 4, 4, 3), 0.02, 5), axis=3),
    "Softmax": lambda s, x: s.node("Softmax", x, axis=-1),
    "Sigmoid": lambda s, x: s.node("Sigmoid", x),
    "HardSwish": lambda s, x: s.node("HardSwish", x),
    "Relu": lambda s, x: s.node("Relu", x),
    "LeakyRelu": lambda s, x: s.node("LeakyRelu", x, alpha=0.1),
    "Clip": lambda s, x: s.node("Clip", x, s.constant(np.float32(-1)), s.constant(np.float32(2))),
    "ReduceMean": lambda s, x: s.node("ReduceMean", x, s.ints(1, 2)),
    "Resize": lambda s, x: s.node("Resize", x, "", "", s.ints(1, 8, 8, 3), mode="linear"),
}


@pytest.mark.parametrize("case", OPERATORS)
def test_operators(case: str) -> None:
    sketch = Sketch()
    scale, zero_point = (1 / 256, -128) if case in ("Softmax", "Sigmoid") else (0.06, 10)
    y = OPERATORS[case](sketch, activation(sketch, (1, 4, 4, 3)))
    graph = sketch.output(quantized(sketch, y, scale, zero_point))
    after = apply_all(graph)
    op = case.split()[0]
    assert ops(after)[op] == 1 and ops(after)["DequantizeLinear"] == 1
    assert after.values[only(after, op).outputs[0]].dtype == np.int8
    assert_same(graph, after, step=scale)


MOVERS: dict[str, Callable[[Sketch, str], str]] = {
    "Reshape": lambda s, x: s.node("Reshape", x, s.ints(1, 16, 3)),
    "Transpose": lambda s, x: s.node("Transpose", x, perm=[0, 3, 1, 2]),
    "Slice": lambda s, x: s.node("Slice", x, s.ints(1), s.ints(3), s.ints(1)),
    "Gather": lambda s, x: s.node("Gather", x, s.ints(2, 0), axis=3),
    "Pad": lambda s, x: s.node("Pad", x, s.ints(0, 1, 1, 0, 0, 1, 1, 0)),
    "Concat": lambda s, x: s.node("Concat", x, x, axis=1),
    "Split": lambda s, x: s.node("Split", x, s.ints(1, 2), outputs=2, axis=3)[1],
    "MaxPool": lambda s, x: s.node("MaxPool", x, kernel_shape=[2, 2]),
    "ReduceMax": lambda s, x: s.node("ReduceMax", x, s.ints(1)),
}


@pytest.mark.parametrize("case", MOVERS)
def test_what_only_moves_moves_integers_also_before_real_operators(case: str) -> None:
    sketch = Sketch()
    graph = sketch.output(sketch.node("Tanh", MOVERS[case](sketch, activation(sketch, (1, 4, 4, 3)))))
    after = apply(graph, *ANNOTATE, *MOVE)
    op = only(after, case)
    assert after.values[op.inputs[0]].dtype == np.int8 and after.values[op.outputs[-1]].quant is not None
    assert_same(graph, after)


def test_padding_with_another_number_is_not_moved() -> None:
    sketch = Sketch()
    x = activation(sketch, (2, 3))
    graph = sketch.output(sketch.node("Pad", x, sketch.ints(1, 1, 1, 1), sketch.constant(np.float32(0.013))))
    after = apply(graph, *ANNOTATE, *MOVE)
    assert after.values[only(after, "Pad").inputs[0]].dtype == np.float32
    assert_same(graph, after)


def test_equal_pairs_cancel_and_others_requantize() -> None:
    sketch = Sketch()
    x = activation(sketch, (2, 3), 0.05, 3)
    graph = sketch.output(quantized(sketch, x, 0.05, 3), quantized(sketch, x, 0.1, 3))
    after = apply(graph, *ANNOTATE)
    assert ops(after) == {"QuantizeLinear": 1, "Requantize": 1, "DequantizeLinear": 2}
    assert_same(graph, after, step=0.1)


def test_public_uint8_tensors_stay_uint8() -> None:
    sketch = Sketch()
    x = sketch.dequantize(sketch.input((1, 4, 4, 3), "uint8"), 0.02, 127)
    y = sketch.node("Conv", x, weights(sketch, (4, 1, 1, 3), 0, "uint8"))
    graph = sketch.output(sketch.quantize(y, 0.1, 100, "uint8"))
    after = apply_all(graph)
    assert [node.op for node in after.nodes] == ["Requantize", "Conv", "Requantize"]
    source, result = after.values[graph.inputs[0]], after.values[graph.outputs[0]]
    assert source.dtype == result.dtype == np.uint8
    assert source.quant == Quantization.per_tensor(0.02, 127) and result.quant == Quantization.per_tensor(0.1, 100)
    node = only(after, "Conv")
    assert [after.values[name].quant.zero_point[0] for name in (node.inputs[0], node.outputs[0])] == [-1, -28]  # type: ignore[union-attr]
    assert_same(graph, after, step=1)


def test_unsigned_integers_are_moved_as_signed_ones() -> None:
    sketch = Sketch()
    q = sketch.quantize(sketch.input((2, 3, 4)), 0.02, 127, "uint8")
    flat = sketch.node("Reshape", q, sketch.ints(2, 12))
    graph = sketch.output(sketch.node("Tanh", sketch.dequantize(flat, 0.02, 127)))
    after = apply_all(graph)
    assert "Requantize" not in ops(after) and after.values[only(after, "Reshape").inputs[0]].dtype in (
        np.int8,
        np.float32,
    )
    assert all(value.dtype != np.uint8 for value in after.values.values())
    assert_same(graph, after)


def test_integers_quantized_otherwise_than_they_are_read_are_reinterpreted() -> None:
    sketch = Sketch()
    q = sketch.quantize(sketch.input((1, 4, 4, 3)), 0.05, 3)
    odd = sketch.dequantize(q, 0.07, 3)
    y = sketch.node("Conv", odd, weights(sketch, (4, 1, 1, 3), 0))
    graph = sketch.output(quantized(sketch, y), quantized(sketch, sketch.node("Relu", odd)))
    after = apply_all(graph)
    assert after.values[only(after, "Conv").inputs[0]].quant == Quantization.per_tensor(0.07, 3)
    assert ops(after)["Reinterpret"] == 2 and ops(after)["DequantizeLinear"] == 2
    assert_same(graph, after, step=0.1)


def test_a_chain_of_a_channels_first_model_is_all_integers() -> None:
    sketch = Sketch()
    first, last = [0, 3, 1, 2], [0, 2, 3, 1]
    x = activation(sketch, (1, 3, 8, 8))
    for _ in range(2):
        conv = sketch.node(
            "Conv", sketch.node("Transpose", x, perm=last), weights(sketch, (3, 3, 3, 3), 0), pads=[1, 1, 1, 1]
        )
        y = sketch.node("Relu", sketch.node("Transpose", conv, perm=first))
        x = quantized(sketch, sketch.node("Add", quantized(sketch, y, 0.05, -128), x), 0.08, -100)
    pool = sketch.node("GlobalAveragePool", sketch.node("Transpose", x, perm=last))
    x = quantized(sketch, sketch.node("Transpose", pool, perm=first), 0.05, -100)
    gemm = sketch.node("Gemm", sketch.node("Flatten", x), weights(sketch, (4, 3), None), transB=1)
    graph = sketch.output(sketch.node("Softmax", quantized(sketch, gemm, 0.02, 0)))
    after = apply_all(graph)
    wanted = {"QuantizeLinear": 1, "Transpose": 1, "Conv": 2, "Add": 2, "GlobalAveragePool": 1, "Reshape": 1, "Gemm": 1}
    assert ops(after) == wanted | {"DequantizeLinear": 1, "Softmax": 1}
    assert_same(graph, after, step=0.02)


def test_rewrites_of_operators_and_products_apply_alone() -> None:
    sketch = Sketch()
    y = sketch.node("Relu", activation(sketch, (2, 3)))
    z = sketch.node("MatMul", quantized(sketch, y), weights(sketch, (3, 4), None))
    graph = sketch.output(quantized(sketch, z))
    after = apply(graph, *ANNOTATE, quantize_operator, quantize_product)
    assert ops(after) == {"QuantizeLinear": 1, "Relu": 1, "MatMul": 1, "DequantizeLinear": 1}
    assert_same(graph, after, step=0.1)
