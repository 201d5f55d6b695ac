"""Activations and residuals are computed by the node before them, where that changes nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from rewriting import Sketch, apply, apply_all, assert_same, only, ops

from millijoule.converters.rewrites.drop_implied_clamp import drop_implied_clamp
from millijoule.converters.rewrites.fold_offset import fold_offset
from millijoule.converters.rewrites.fuse_activation import fuse_activation
from millijoule.converters.rewrites.fuse_residual import fuse_residual
from millijoule.runtime.graph import Quantization

ACTIVATIONS: dict[str, dict[str, Any]] = {
    "Relu": {},
    "Relu6": {},
    "ReluN1To1": {},
    "LeakyRelu": {"alpha": 0.3},
    "HardSwish": {},
    "HardSigmoid": {"alpha": 0.3, "beta": 0.4},
    "Sigmoid": {},
    "Tanh": {},
    "Gelu": {"approximate": "tanh"},
    "SiLU": {},
    "Softplus": {},
}


def producer(sketch: Sketch, op: str) -> str:
    x = sketch.input((1, 4, 4, 3))
    if op in ("Conv", "ConvTranspose"):
        return sketch.node(op, x, sketch.weights(3, 2, 2, 3))
    if op == "Gemm":
        return sketch.node(op, sketch.input((2, 3)), sketch.weights(3, 4))
    if op == "MatMul":
        return sketch.node(op, x, sketch.weights(3, 5))
    if op in ("AveragePool", "MaxPool"):
        return sketch.node(op, x, kernel_shape=[2, 2])
    if op == "GlobalAveragePool":
        return sketch.node(op, x)
    if op == "Concat":
        return sketch.node(op, x, x, axis=0)
    return sketch.node(op, x, sketch.input((4, 1)))


ANY = ["Conv", "ConvTranspose", "Gemm", "MatMul", "Add", "Sub", "Mul", "Div"]
CLAMPING = ["AveragePool", "MaxPool", "GlobalAveragePool", "Concat"]


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("op", ANY)
def test_any_activation_after_a_product_or_arithmetic(op: str, activation: str) -> None:
    sketch = Sketch()
    graph = sketch.output(sketch.node(activation, producer(sketch, op), **ACTIVATIONS[activation]))
    after = apply(graph, fuse_activation)
    assert ops(after) == {op: 1} and only(after, op).attrs["activation"] == activation
    assert_same(graph, after)


@pytest.mark.parametrize("op", CLAMPING)
def test_pools_and_concat_only_clamp(op: str) -> None:
    sketch = Sketch()
    bounds = [sketch.constant(np.float32(bound)) for bound in (-0.25, 0.5)]
    graph = sketch.output(
        sketch.node("Clip", producer(sketch, op), *bounds), sketch.node("Sigmoid", producer(sketch, op))
    )
    after = apply(graph, fuse_activation)
    assert ops(after) == {op: 2, "Sigmoid": 1}
    assert [node.attrs.get("activation_params") for node in after.nodes if "activation" in node.attrs] == [[-0.25, 0.5]]
    assert_same(graph, after)


def test_what_must_not_be_fused() -> None:
    sketch = Sketch()
    public = producer(sketch, "Conv")
    twice = producer(sketch, "Conv")
    once = sketch.node("Relu", producer(sketch, "Conv"))
    open_bound = sketch.node("Clip", producer(sketch, "Add"), sketch.constant(np.float32(-2)))
    computed = sketch.node("Clip", producer(sketch, "Add"), sketch.input(()), sketch.constant(np.float32(2)))
    scaled = sketch.node("SiLU", producer(sketch, "Add"), alpha=2.0)
    graph = sketch.output(
        *(public, sketch.node("Relu", public), sketch.node("Add", sketch.node("Relu", twice), twice)),
        *(
            sketch.node("Sigmoid", once),
            open_bound,
            computed,
            scaled,
            sketch.node("Relu", sketch.node("Max", twice, twice)),
        ),
    )
    after = apply(graph, fuse_activation)
    assert ops(after) == {"Conv": 3, "Relu": 3, "Add": 4, "Sigmoid": 1, "Clip": 2, "SiLU": 1, "Max": 1}
    assert_same(graph, after)


def quantized_add(sketch: Sketch, out: Quantization) -> str:
    quant = Quantization.per_tensor(0.05, 3)
    a, b = (sketch.input((2, 8), "int8", quant) for _ in range(2))
    return sketch.node("Add", a, b, quant=out)


def test_quantized_clamps_are_fused_where_scales_agree() -> None:
    sketch = Sketch()
    quant, other = Quantization.per_tensor(0.1, -5), Quantization.per_tensor(0.2, -5)
    graph = sketch.output(
        sketch.node("Relu6", quantized_add(sketch, quant), quant=quant),
        sketch.node("Relu6", quantized_add(sketch, quant), quant=other),
        sketch.node("Sigmoid", quantized_add(sketch, quant), quant=quant),
    )
    after = apply(graph, fuse_activation)
    assert ops(after) == {"Add": 3, "Relu6": 1, "Sigmoid": 1}
    assert_same(graph, after)


@pytest.mark.parametrize(
    ("scale", "zero_point", "left"), [(0.02, -128, None), (0.03, -128, "Relu6"), (0.02, -120, "Relu6")]
)
def test_a_clamp_that_the_range_implies_goes(scale: float, zero_point: int, left: str | None) -> None:
    sketch = Sketch()
    quant = Quantization.per_tensor(scale, zero_point)
    graph = sketch.output(sketch.node("Relu6", quantized_add(sketch, quant), quant=quant))
    after = apply(graph, fuse_activation, drop_implied_clamp)
    assert only(after, "Add").attrs.get("activation") == left
    assert_same(graph, after)


def conv(sketch: Sketch, x: str, channels: int = 3) -> str:
    return sketch.node("Conv", x, sketch.weights(3, 3, 3, channels), sketch.weights(3), pads=[1, 1, 1, 1])


@pytest.mark.parametrize("shape", [(1, 4, 5, 3), ("n", "h", "w", 3)])
def test_a_residual_and_its_activation(shape: tuple[Any, ...]) -> None:
    sketch = Sketch()
    x = sketch.input(shape)
    y = sketch.node("Relu", sketch.node("Add", conv(sketch, conv(sketch, x)), x))
    graph = sketch.output(sketch.node("HardSwish", sketch.node("Add", y, conv(sketch, y))))
    after = apply(graph, fuse_residual, fuse_activation)
    assert ops(after) == {"Conv": 3}
    assert [(len(node.inputs), node.attrs.get("activation")) for node in after.nodes] == [
        (3, None),
        (4, "Relu"),
        (4, "HardSwish"),
    ]
    assert_same(graph, after)


def test_of_two_convolutions_the_later_adds() -> None:
    sketch = Sketch()
    x = sketch.input((1, 4, 5, 3))
    first = conv(sketch, x)
    graph = sketch.output(sketch.node("Add", conv(sketch, sketch.node("Neg", x)), first))
    after = apply(graph, fuse_residual)
    assert ops(after) == {"Conv": 2, "Neg": 1} and after.nodes[-1].inputs[3] == first
    assert_same(graph, after)


def test_residuals_that_broadcast_or_are_constant_or_doubled_stay() -> None:
    sketch = Sketch()
    x = sketch.input((1, 4, 5, 3))
    y = conv(sketch, x)
    graph = sketch.output(
        sketch.node("Add", conv(sketch, x), sketch.input((1, 1, 1, 3))),
        sketch.node("Add", conv(sketch, x), sketch.weights(1, 4, 5, 3)),
        sketch.node("Add", y, y),
        sketch.node("Add", sketch.node("Conv", x, sketch.weights(3, 1, 1, 3), activation="Relu"), x),
        sketch.node("Sub", conv(sketch, x), x),
    )
    after = apply(graph, fuse_residual)
    assert ops(after) == {"Conv": 5, "Add": 4, "Sub": 1}
    assert_same(graph, after)


def test_a_residual_of_unknown_shape_stays() -> None:
    sketch = Sketch()
    x, y = sketch.input(("n", "h", "w", 3)), sketch.input(("n", "h", "v", 3))
    graph = sketch.output(sketch.node("Add", conv(sketch, x), y))
    assert ops(apply(graph, fuse_residual)) == {"Conv": 1, "Add": 1}


def test_downsampling_branches_of_symbolic_size_are_seen_to_agree() -> None:
    sketch = Sketch()
    x = sketch.input(("n", "h", "w", 3))
    main = sketch.node("Conv", x, sketch.weights(3, 3, 3, 3), strides=[2, 2], pads=[1, 1, 1, 1])
    short = sketch.node("Conv", x, sketch.weights(3, 1, 1, 3), strides=[2, 2])
    graph = sketch.output(sketch.node("Add", main, short))
    after = apply(graph, fuse_residual)
    assert ops(after) == {"Conv": 2}
    assert_same(graph, after)


def test_matrix_products_get_biases() -> None:
    sketch = Sketch()
    x = sketch.input(("n", 3, 4))
    y = sketch.node("Add", sketch.weights(5), sketch.node("MatMul", x, sketch.weights(4, 5)))
    flat = sketch.node("MatMul", sketch.input((2, 4)), sketch.weights(4, 5))
    matrix = sketch.node("Add", flat, sketch.weights(2, 5))
    graph = sketch.output(sketch.node("Relu", y), matrix)
    after = apply(graph, fold_offset, fuse_activation)
    assert ops(after) == {"MatMul": 2, "Add": 1}
    assert_same(graph, after)


def test_a_residual_block_of_a_channels_first_model() -> None:
    sketch = Sketch()
    x = sketch.input((1, 3, 6, 6))
    for _ in range(3):
        y = sketch.node("Conv", sketch.node("Transpose", x, perm=[0, 2, 3, 1]), sketch.weights(3, 1, 1, 3))
        y = sketch.node("Mul", sketch.node("Transpose", y, perm=[0, 3, 1, 2]), sketch.weights(3, 1, 1))
        x = sketch.node("Relu", sketch.node("Add", x, y))
    graph = sketch.output(x)
    after = apply_all(graph)
    assert ops(after) == {"Transpose": 2, "Conv": 3}
    assert all(len(node.inputs) == 4 for node in after.nodes if node.op == "Conv")
    assert_same(graph, after)
