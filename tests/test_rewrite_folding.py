"""What goes into the weights and biases of convolutions and matrix products, and what becomes their padding."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from rewriting import Sketch, apply, apply_all, assert_same, only, ops

from millijoule.converters.rewrites.decompose_batch_norm import decompose_batch_norm
from millijoule.converters.rewrites.focus_to_conv import focus_to_conv
from millijoule.converters.rewrites.fold_input_offset import fold_input_offset
from millijoule.converters.rewrites.fold_input_scale import fold_input_scale
from millijoule.converters.rewrites.fold_offset import fold_offset
from millijoule.converters.rewrites.fold_pad import fold_pad
from millijoule.converters.rewrites.fold_scale import fold_scale
from millijoule.converters.rewrites.mean_to_pool import mean_to_pool, whole_window_to_global_pool
from millijoule.converters.rewrites.merge_affine import merge_affine
from millijoule.runtime.graph import Graph, Quantization

OUTPUTS = 6


def product(sketch: Sketch, op: str, bias: bool = True, **attrs: Any) -> str:
    """A product of OUTPUTS channels."""
    b = [sketch.weights(OUTPUTS)] if bias else []
    if op == "Conv":
        return sketch.node("Conv", sketch.input((2, 5, 5, 4)), sketch.weights(OUTPUTS, 3, 3, 4), *b, **attrs)
    if op == "Depthwise":
        return sketch.node("Conv", sketch.input((2, 5, 6)), sketch.weights(OUTPUTS, 3, 1), *b, group=6, **attrs)
    if op == "ConvTranspose":
        x, w = sketch.input((2, 5, 5, 4)), sketch.weights(4, 2, 2, 3)
        return sketch.node("ConvTranspose", x, w, *b, group=2, strides=[2, 2], **attrs)
    if op == "Gemm":
        return sketch.node("Gemm", sketch.input((3, 4)), sketch.weights(OUTPUTS, 4), *b, transB=1, **attrs)
    return sketch.node("MatMul", sketch.input((2, 3, 4)), sketch.weights(4, OUTPUTS), *b, **attrs)


PRODUCTS = ["Conv", "Depthwise", "ConvTranspose", "Gemm", "MatMul"]


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("op", PRODUCTS)
def test_scale_and_offset_go_into_weights_and_bias(op: str, bias: bool) -> None:
    sketch = Sketch()
    y = sketch.node("Mul", sketch.weights(OUTPUTS), product(sketch, op, bias))
    y = sketch.node("Div", sketch.node("Sub", y, sketch.weights(1, OUTPUTS)), sketch.constant(np.float32(3)))
    graph = sketch.output(sketch.node("Add", sketch.constant(np.float32(2)), y))
    after = apply(graph, fold_scale, fold_offset)
    assert ops(after) == {op.replace("Depthwise", "Conv"): 1}
    assert_same(graph, after)


def refused(sketch: Sketch, case: str) -> str:
    y = product(sketch, "Conv")
    if case == "scale per pixel":
        return sketch.node("Mul", y, sketch.weights(3, 1))
    if case == "scale that broadcasts up":
        return sketch.node("Mul", y, sketch.weights(1, 1, 1, 1, 6))
    if case == "computed scale":
        return sketch.node("Mul", y, sketch.input((OUTPUTS,)))
    if case == "another reader":
        return sketch.node("Mul", sketch.node("Mul", y, sketch.weights(OUTPUTS)), y)
    if case == "divided by":
        return sketch.node("Div", sketch.constant(np.float32(1)), y)
    if case == "subtracted":
        return sketch.node("Sub", sketch.weights(OUTPUTS), y)
    return sketch.node("Div", y, sketch.constant(np.array([1, 0, 1, 1, 1, 1], np.float32)))


CASES = [
    "scale per pixel",
    "scale that broadcasts up",
    "computed scale",
    "another reader",
    "divided by",
    "subtracted",
    "zero",
]


@pytest.mark.parametrize("case", CASES)
def test_what_is_not_per_channel_or_not_alone_stays(case: str) -> None:
    sketch = Sketch()
    graph = sketch.output(refused(sketch, case))
    after = apply(graph, fold_scale, fold_offset)
    assert len(after.nodes) == (3 if case == "another reader" else 2)
    assert_same(graph, after)


def test_a_public_result_is_not_scaled() -> None:
    sketch = Sketch()
    y = product(sketch, "Conv")
    graph = sketch.output(y, sketch.node("Mul", y, sketch.weights(OUTPUTS)))
    after = apply(graph, fold_scale)
    assert ops(after) == {"Conv": 1, "Mul": 1}


def test_half_precision_weights_stay_in_half_precision() -> None:
    sketch = Sketch()
    w = sketch.node(
        "Cast", sketch.constant(sketch.random.standard_normal((6, 1, 1, 64)).astype(np.float16)), to="float32"
    )
    y = sketch.node("Conv", sketch.input((1, 2, 2, 64)), w)
    graph = sketch.output(sketch.node("Add", sketch.node("Mul", y, sketch.weights(6)), sketch.weights(6)))
    after = apply_all(graph)
    assert ops(after) == {"Cast": 1, "Mul": 1, "Conv": 1}
    assert after.values[only(after, "Cast").inputs[0]].dtype == np.float16
    assert_same(graph, after)


def batch_norm(sketch: Sketch, x: str, channels: int) -> str:
    positive = sketch.constant(sketch.random.random(channels).astype(np.float32) + 0.1)
    statistics = [sketch.weights(channels) for _ in range(3)]
    return sketch.node("BatchNormalization", x, *statistics, positive, epsilon=1e-3)


def test_batch_norm_folds_into_a_channels_first_convolution() -> None:
    sketch = Sketch()
    x = sketch.node("Transpose", sketch.input((1, 3, 5, 5)), perm=[0, 2, 3, 1])
    conv = sketch.node("Conv", x, sketch.weights(OUTPUTS, 3, 3, 3))
    back = sketch.node("Transpose", conv, perm=[0, 3, 1, 2])
    graph = sketch.output(sketch.node("Relu", batch_norm(sketch, back, OUTPUTS)))
    after = apply_all(graph)
    assert ops(after) == {"Transpose": 2, "Conv": 1} and only(after, "Conv").attrs["activation"] == "Relu"
    assert_same(graph, after)


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 4), (2, 3, 4, 4)])
def test_batch_norm_alone_is_one_product_and_one_sum(shape: tuple[int, ...]) -> None:
    sketch = Sketch()
    graph = sketch.output(batch_norm(sketch, sketch.input(shape), 3))
    after = apply(graph, decompose_batch_norm)
    assert ops(after) == {"Mul": 1, "Add": 1}
    assert_same(graph, after)


def test_batch_norm_of_an_input_far_from_zero_subtracts_the_mean_first() -> None:
    sketch = Sketch()
    ones, mean = sketch.constant(np.ones(2, np.float32)), sketch.constant(np.array([101325, 1e6], np.float32))
    graph = sketch.output(sketch.node("BatchNormalization", sketch.input((4, 2)), ones, ones, mean, ones))
    after = apply_all(graph)
    assert ops(after) == {"Sub": 1, "Mul": 1, "Add": 1}
    near = np.array([[101325.5, 1e6 + 0.25]] * 4, np.float32)
    assert_same(graph, after, tolerance=1e-6, feeds={graph.inputs[0]: near})


@pytest.mark.parametrize(("mean", "variance"), [(6e4, 1e-6), (1.0, -1.0), (float("nan"), 1.0)])
def test_batch_norm_whose_constants_do_not_fit_the_type_stays(mean: float, variance: float) -> None:
    sketch = Sketch()
    ones = sketch.constant(np.ones(1, np.float16), "float16")
    statistics = [sketch.constant(np.array([number], np.float32), "float32") for number in (mean, variance)]
    x = sketch.node("BatchNormalization", sketch.input((4, 1), "float16"), ones, ones, *statistics, epsilon=1e-7)
    assert ops(apply(sketch.output(x), decompose_batch_norm)) == {"BatchNormalization": 1}


def rounded(sketch: Sketch, shape: tuple[int, ...]) -> str:
    """A value that carries the rounding of what computed it."""
    return sketch.node("Tanh", sketch.input(shape))


def test_chains_of_constants_merge() -> None:
    sketch = Sketch()
    x = rounded(sketch, (2, 3))
    y = sketch.node("Sub", x, sketch.weights(3))
    y = sketch.node("Div", y, sketch.constant(np.array([1, 2, 4], np.float32)))
    y = sketch.node("Add", sketch.weights(2, 1), sketch.node("Mul", sketch.weights(3), y))
    graph = sketch.output(sketch.node("Mul", sketch.node("Add", y, sketch.weights(1)), sketch.constant(np.float32(3))))
    after = apply(graph, merge_affine)
    assert ops(after) == {"Tanh": 1, "Mul": 1, "Add": 1}
    assert_same(graph, after)


def test_constants_that_would_grow_or_broadcast_the_tensor_do_not_merge() -> None:
    sketch = Sketch()
    grown = sketch.node("Add", sketch.node("Add", sketch.input((40, 50)), sketch.weights(40, 1)), sketch.weights(50))
    y = sketch.node("Add", sketch.node("Add", sketch.input((3,)), sketch.weights(2, 1)), sketch.weights(3))
    graph = sketch.output(sketch.node("Sub", sketch.constant(np.float32(1)), y), grown)
    after = apply(graph, merge_affine)
    assert ops(after) == {"Add": 4, "Sub": 1}
    assert_same(graph, after)


@pytest.mark.parametrize("op", ["Conv", "Gemm", "MatMul"])
def test_scale_and_offset_before_a_product(op: str) -> None:
    sketch = Sketch()
    shape = {"Conv": (1, 4, 4, 5), "Gemm": (2, 5), "MatMul": (2, 3, 5)}[op]
    x = sketch.node("Sub", sketch.node("Div", sketch.input(shape), sketch.constant(np.float32(0.3))), sketch.weights(5))
    x = sketch.node("Mul", x, sketch.weights(5))
    w = {"Conv": (OUTPUTS, 3, 3, 5), "Gemm": (OUTPUTS, 5), "MatMul": (5, OUTPUTS)}[op]
    attrs: dict[str, Any] = {"transB": 1} if op == "Gemm" else {}
    graph = sketch.output(sketch.node(op, x, sketch.weights(*w), sketch.weights(OUTPUTS), **attrs))
    after = apply(graph, fold_input_scale, fold_input_offset)
    assert ops(after) == {op: 1}
    assert_same(graph, after)


def test_an_offset_before_a_padded_convolution_stays_and_a_scale_goes() -> None:
    sketch = Sketch()
    x = sketch.node("Mul", sketch.node("Add", sketch.input((1, 4, 4, 2)), sketch.weights(2)), sketch.weights(2))
    padded = sketch.node("Conv", x, sketch.weights(3, 3, 3, 2), pads=[1, 1, 1, 1])
    y = sketch.node("Mul", sketch.node("Add", sketch.input((1, 4, 4, 2)), sketch.weights(2)), sketch.weights(2))
    grouped = sketch.node("Conv", y, sketch.weights(4, 1, 1, 1), group=2)
    graph = sketch.output(padded, grouped)
    after = apply(graph, fold_input_scale, fold_input_offset)
    assert ops(after) == {"Add": 2, "Mul": 1, "Conv": 2}
    assert_same(graph, after)


def test_an_offset_before_a_grouped_pointwise_convolution() -> None:
    sketch = Sketch()
    x = sketch.node("Add", rounded(sketch, (1, 3, 3, 4)), sketch.weights(4))
    graph = sketch.output(sketch.node("Conv", x, sketch.weights(6, 1, 1, 2), group=2, auto_pad="SAME_UPPER"))
    after = apply(graph, fold_input_offset)
    assert ops(after) == {"Tanh": 1, "Conv": 1}
    assert_same(graph, after)


def padded_graph(op: str, around: list[int], value: float | None, before: str = "", **attrs: Any) -> Graph:
    sketch = Sketch()
    x = sketch.input((1, 7, 8, 3))
    x = sketch.node(before, x) if before else x
    fill = [] if value is None else [sketch.constant(np.float32(value))]
    padded = sketch.node("Pad", x, sketch.ints(*around), *fill)
    if op == "Conv":
        weights = sketch.weights(4, 3, 3, 3 + around[3] + around[7])
        return sketch.output(sketch.node("Conv", padded, weights, **attrs))
    return sketch.output(sketch.node(op, padded, kernel_shape=[3, 3], **attrs))


INSIDE = [0, 1, 2, 0, 0, 2, 1, 0]


@pytest.mark.parametrize(
    ("op", "value", "before", "attrs"),
    [
        ("Conv", None, "", {"strides": [2, 2]}),
        ("Conv", 0, "", {"pads": [1, 0, 0, 1]}),
        ("Conv", 0, "", {"auto_pad": "VALID", "dilations": [2, 1]}),
        ("AveragePool", 0, "", {}),
        ("AveragePool", 0, "", {"pads": [0, 0, 0, 1], "count_include_pad": 1}),
        ("MaxPool", -np.inf, "", {"strides": [2, 1]}),
        ("MaxPool", np.finfo(np.float32).min, "", {}),
        ("MaxPool", 0, "Relu", {}),
        ("MaxPool", None, "Sigmoid", {}),
    ],
)
def test_padding_goes_into_the_window(op: str, value: float | None, before: str, attrs: dict[str, Any]) -> None:
    graph = padded_graph(op, INSIDE, value, before, **attrs)
    after = apply(graph, fold_pad)
    assert "Pad" not in ops(after)
    assert_same(graph, after)


@pytest.mark.parametrize(
    ("op", "pads", "value", "before", "attrs"),
    [
        ("Conv", INSIDE, 1, "", {}),
        ("Conv", [0, 1, 0, 1, 0, 0, 0, 0], 0, "", {}),
        ("Conv", [0, -1, 0, 0, 0, 0, 0, 0], 0, "", {}),
        ("Conv", INSIDE, 0, "", {"auto_pad": "SAME_UPPER"}),
        ("AveragePool", INSIDE, 0, "", {"pads": [1, 1, 1, 1]}),
        ("AveragePool", INSIDE, 0, "", {"ceil_mode": 1, "strides": [2, 2]}),
        ("AveragePool", [0, 3, 0, 0, 0, 0, 0, 0], 0, "", {}),
        ("MaxPool", INSIDE, 0, "", {}),
        ("MaxPool", INSIDE, 0, "Neg", {}),
        ("MaxPool", [0, 3, 0, 0, 0, 0, 0, 0], 0, "Relu", {}),
        ("MaxPool", INSIDE, 0.5, "Relu", {}),
    ],
)
def test_padding_that_means_something_else_stays(
    op: str, pads: list[int], value: float | None, before: str, attrs: dict[str, Any]
) -> None:
    graph = padded_graph(op, pads, value, before, **attrs)
    after = apply(graph, fold_pad)
    assert ops(after)["Pad"] == 1
    assert_same(graph, after)


def test_padding_that_several_convolutions_read_goes_into_each() -> None:
    sketch = Sketch()
    padded = sketch.node("Pad", sketch.input((1, 5, 5, 2)), sketch.ints(0, 1, 1, 0, 0, 1, 1, 0))
    graph = sketch.output(*(sketch.node("Conv", padded, sketch.weights(3, size, size, 2)) for size in (1, 3)))
    after = apply(graph, fold_pad)
    assert ops(after) == {"Conv": 2}
    assert_same(graph, after)


def test_quantized_padding_with_the_zero_point_goes_into_the_window() -> None:
    quant = Quantization.per_tensor(0.5, 7)
    sketch = Sketch()
    x = sketch.input((1, 5, 5, 2), "int8", quant)
    padded = sketch.node("Pad", x, sketch.ints(0, 1, 1, 0, 0, 1, 1, 0), quant=quant)
    weights = sketch.constant(
        sketch.random.integers(-9, 9, (3, 3, 3, 2)).astype(np.int8), quant=Quantization.per_tensor(0.1, 0)
    )
    graph = sketch.output(sketch.node("Conv", padded, weights, quant=Quantization.per_tensor(2, 0)))
    after = apply(graph, fold_pad)
    assert ops(after) == {"Conv": 1}
    assert_same(graph, after)


@pytest.mark.parametrize("keepdims", [0, 1])
def test_mean_over_space_is_a_global_pool(keepdims: int) -> None:
    sketch = Sketch()
    graph = sketch.output(
        sketch.node("ReduceMean", sketch.input(("n", 3, 4, 5)), sketch.ints(1, -2), keepdims=keepdims)
    )
    after = apply(graph, mean_to_pool)
    assert ops(after)["GlobalAveragePool"] == 1 and "ReduceMean" not in ops(after)
    assert_same(graph, after)


def test_other_means_and_quantized_ones_stay() -> None:
    quant = Quantization.per_tensor(0.5, 7)
    sketch = Sketch()
    x, q = sketch.input((2, 3, 4, 5)), sketch.input((2, 3, 4, 5), "int8", quant)
    graph = sketch.output(
        sketch.node("ReduceMean", x, sketch.ints(2, 3)),
        sketch.node("ReduceMean", x, sketch.ints(0, 1, 2)),
        sketch.node("ReduceMean", q, sketch.ints(1, 2), quant=quant),
        sketch.node("AveragePool", q, kernel_shape=[3, 4], quant=quant),
    )
    after = apply(graph, mean_to_pool, whole_window_to_global_pool)
    assert ops(after) == {"ReduceMean": 3, "AveragePool": 1}


@pytest.mark.parametrize("op", ["AveragePool", "MaxPool"])
def test_windows_over_everything_are_global_pools(op: str) -> None:
    sketch = Sketch()
    x = sketch.input(("n", 3, 4, 5))
    whole = sketch.node(op, x, kernel_shape=[3, 4], strides=[3, 4], activation="Relu")
    graph = sketch.output(whole, sketch.node(op, x, kernel_shape=[3, 4], pads=[1, 0, 0, 0]))
    after = apply(graph, whole_window_to_global_pool)
    assert ops(after) == {op: 1, f"Global{op}": 1}
    assert_same(graph, after)


@pytest.mark.parametrize("layout", ["first", "last"])
@pytest.mark.parametrize("order", [(0, 1, 2, 3), (0, 2, 1, 3), (3, 1, 0, 2)])
def test_focus_is_a_larger_convolution(layout: str, order: tuple[int, ...]) -> None:
    sketch = Sketch()
    x = sketch.input((1, 3, 6, 8) if layout == "first" else (1, 6, 8, 3))
    first = 2 if layout == "first" else 1
    parts = []
    for phase in order:
        rows = sketch.node("Slice", x, *(sketch.ints(n) for n in (phase // 2, 2**40, first, 2)))
        parts.append(sketch.node("Slice", rows, *(sketch.ints(n) for n in (phase % 2, 2**40, first + 1, 2))))
    y = sketch.node("Concat", *parts, axis=1 if layout == "first" else 3)
    y = sketch.node("Transpose", y, perm=[0, 2, 3, 1]) if layout == "first" else y
    graph = sketch.output(sketch.node("Conv", y, sketch.weights(5, 3, 3, 12), pads=[1, 1, 1, 1], strides=[1, 2]))
    after = apply(graph, focus_to_conv)
    assert ops(after) == {"Conv": 1} | ({"Transpose": 1} if layout == "first" else {})
    assert_same(graph, after)


@pytest.mark.parametrize("change", ["a phase twice", "odd size", "another step"])
def test_what_is_no_focus_stays(change: str) -> None:
    sketch = Sketch()
    x = sketch.input((1, 9 if change == "odd size" else 12, 2))
    starts = (0, 0) if change == "a phase twice" else (0, 1)
    step = 3 if change == "another step" else 2
    parts = [sketch.node("Slice", x, *(sketch.ints(n) for n in (start, 8, 1, step))) for start in starts]
    if change == "another step":
        parts = [sketch.node("Slice", x, *(sketch.ints(n) for n in (start, 9, 1, step))) for start in starts]
    graph = sketch.output(sketch.node("Conv", sketch.node("Concat", *parts, axis=2), sketch.weights(5, 1, 4)))
    assert ops(apply(graph, focus_to_conv))["Slice"] == 2
