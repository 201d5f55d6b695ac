"""Transposes and Reshapes move towards each other and cancel; whatever they pass keeps its meaning."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import numpy as np
import pytest
from rewriting import Sketch, apply, apply_all, assert_same, only, ops

from millijoule.converters.rewrites.merge_transposes import merge_transposes, order_ones
from millijoule.converters.rewrites.permute_product_weights import permute_product_weights
from millijoule.converters.rewrites.pipeline import CLEAN, rewrite
from millijoule.converters.rewrites.sink_reshape import sink_reshape_below_broadcasting, sink_reshape_below_unary
from millijoule.converters.rewrites.sink_transpose_reshape import regroup
from millijoule.runtime.graph import Graph

FIRST, LAST = [0, 3, 1, 2], [0, 2, 3, 1]


def wrapped(make: Callable[[Sketch, str], str], shape: tuple[Any, ...] = (2, 4, 5, 3)) -> Graph:
    """Between a Transpose to channels-first and one back, as a converter leaves an operator that has no layout."""
    sketch = Sketch()
    x = sketch.node("Transpose", sketch.input(shape), perm=FIRST)
    return sketch.output(sketch.node("Transpose", make(sketch, x), perm=LAST))


SAME_RANK: dict[str, Callable[[Sketch, str], str]] = {
    "Relu": lambda s, x: s.node("Relu", x),
    "Clip": lambda s, x: s.node("Clip", x, s.constant(np.float32(-1)), s.constant(np.float32(1))),
    "add vector": lambda s, x: s.node("Add", x, s.weights(3, 1, 1)),
    "add row": lambda s, x: s.node("Add", s.weights(5), x),
    "add scalar": lambda s, x: s.node("Add", x, s.weights(1)),
    "add itself": lambda s, x: s.node("Add", x, s.node("Neg", x)),
    "multiply by gate": lambda s, x: s.node("Mul", x, s.node("Sigmoid", s.input((2, 3, 1, 1)))),
    "where": lambda s, x: s.node("Where", s.node("Greater", x, s.constant(np.float32(0))), x, s.weights(4, 5)),
    "PRelu": lambda s, x: s.node("PRelu", x, s.weights(3, 1, 1)),
    "softmax of channels": lambda s, x: s.node("Softmax", x, axis=1),
    "concat channels": lambda s, x: s.node("Concat", x, s.weights(2, 2, 4, 5), s.node("Neg", x), axis=1),
    "concat rows": lambda s, x: s.node("Concat", x, x, axis=-2),
    "split": lambda s, x: s.node("Add", *s.node("Split", x, s.ints(2, 2), outputs=2, axis=2)),
    "mean kept": lambda s, x: s.node("ReduceMean", x, s.ints(2, -1), keepdims=1),
    "max of all": lambda s, x: s.node("ReduceMax", x, keepdims=1),
    "arg max": lambda s, x: s.node("ArgMax", x, axis=1, keepdims=1),
    "slice": lambda s, x: s.node("Slice", x, s.ints(1, 0), s.ints(9, 3), s.ints(-1, 1), s.ints(2, 1)),
    "slice of leading": lambda s, x: s.node("Slice", x, s.ints(0, 1), s.ints(2, 3)),
    "pad": lambda s, x: s.node("Pad", x, s.ints(0, 1, 2, 0, 0, 0, 1, 3), s.constant(np.float32(1))),
    "pad of axes": lambda s, x: s.node("Pad", x, s.ints(1, 2), "", s.ints(-3), mode="reflect"),
    "gather": lambda s, x: s.node("Gather", x, s.ints(2, 0), axis=1),
    "expand": lambda s, x: s.node("Expand", s.node("Slice", x, s.ints(0), s.ints(1), s.ints(3)), s.ints(1, 1, 6)),
    "tile": lambda s, x: s.node("Tile", x, s.ints(1, 2, 1, 3)),
    "quantize": lambda s, x: s.dequantize(s.quantize(x, 0.02, 3), 0.02, 3),
    "split and merge": lambda s, x: s.node("Reshape", s.node("Reshape", x, s.ints(2, 3, 2, 2, 5)), s.ints(2, 3, 4, 5)),
}


@pytest.mark.parametrize("case", SAME_RANK)
def test_transposes_pass_and_cancel(case: str) -> None:
    graph = wrapped(SAME_RANK[case])
    after = apply_all(graph)
    assert "Transpose" not in ops(after)
    assert_same(graph, after)


@pytest.mark.parametrize("case", ["Relu", "concat rows", "softmax of channels", "mean kept", "slice", "pad"])
def test_with_symbolic_sizes(case: str) -> None:
    graph = wrapped(SAME_RANK[case], ("n", 4, "w", 3))
    if case in ("Relu", "concat rows", "mean kept"):
        graph = wrapped(SAME_RANK[case], ("n", "h", "w", 3))
    after = apply_all(graph)
    assert "Transpose" not in ops(after)
    assert_same(graph, after)


def test_per_channel_quantization_follows_the_channels() -> None:
    def per_channel(sketch: Sketch, x: str) -> str:
        scales, points = (
            sketch.constant(np.array([0.1, 0.2, 0.3], np.float32)),
            sketch.constant(np.array([0, 1, 2], np.int8)),
        )
        q = sketch.node("QuantizeLinear", x, scales, points, axis=1)
        return sketch.node("DequantizeLinear", q, scales, points, axis=-3)

    graph = wrapped(per_channel)
    after = apply_all(graph)
    assert "Transpose" not in ops(after)
    assert_same(graph, after)


RANK_CHANGING: dict[str, Callable[[Sketch, str], str]] = {
    "mean dropped": lambda s, x: s.node("ReduceMean", x, s.ints(2), keepdims=0),
    "arg max dropped": lambda s, x: s.node("ArgMax", x, axis=1, keepdims=0),
    "gather one": lambda s, x: s.node("Gather", x, s.constant(1), axis=2),
    "merged space": lambda s, x: s.node("Reshape", x, s.ints(2, 3, -1)),
    "split channels": lambda s, x: s.node("Reshape", x, s.ints(2, 3, 1, 20)),
    "squeeze": lambda s, x: s.node("Squeeze", s.node("ReduceMax", x, s.ints(3)), s.ints(3)),
    "unsqueeze": lambda s, x: s.node("Unsqueeze", x, s.ints(1, -1)),
}


@pytest.mark.parametrize("case", RANK_CHANGING)
def test_a_transpose_reaches_the_output(case: str) -> None:
    sketch = Sketch()
    x = sketch.node("Transpose", sketch.input((2, 4, 5, 3)), perm=FIRST)
    graph = sketch.output(RANK_CHANGING[case](sketch, x))
    after = apply_all(graph)
    assert after.nodes[-1].op == "Transpose" or "Transpose" not in ops(after)
    assert_same(graph, after)


@pytest.mark.parametrize("op", ["Squeeze", "Unsqueeze"])
def test_unknown_sizes_pass_squeezing(op: str) -> None:
    sketch = Sketch()
    x = sketch.node("Transpose", sketch.input(("n", "m", 1, 5)), perm=[2, 1, 3, 0])
    graph = sketch.output(sketch.node("Neg", sketch.node(op, x, sketch.ints(0))))
    after = apply_all(graph)
    assert after.nodes[-1].op == "Transpose"
    assert_same(graph, after)


def test_a_softmax_along_the_last_axis_is_not_moved_to_another() -> None:
    sketch = Sketch()
    x = sketch.node("Transpose", sketch.input((2, 4, 5)), perm=[0, 2, 1])
    graph = sketch.output(sketch.node("Softmax", x, axis=-1))
    after = apply_all(graph)
    assert only(after, "Softmax").attrs["axis"] == -1
    assert_same(graph, after)


def test_a_flatten_that_mixes_permuted_axes_keeps_its_transpose() -> None:
    sketch = Sketch()
    x = sketch.node("Transpose", sketch.input((2, 4, 5, 3)), perm=FIRST)
    graph = sketch.output(sketch.node("Flatten", x))
    after = apply_all(graph)
    assert ops(after) == {"Transpose": 1, "Reshape": 1}
    assert_same(graph, after)


@pytest.mark.parametrize("half", [False, True])
@pytest.mark.parametrize("op", ["Gemm", "Gemm transposed", "MatMul"])
def test_the_weights_behind_a_flatten_are_permuted_instead(op: str, half: bool) -> None:
    sketch = Sketch()
    x = sketch.node("Flatten", sketch.node("Relu", sketch.node("Transpose", sketch.input(("n", 4, 5, 3)), perm=FIRST)))
    shape = (70, 60) if op == "Gemm transposed" else (60, 70)
    w = sketch.weights(*shape)
    if half:
        w = sketch.node("Cast", sketch.constant(sketch.random.standard_normal(shape).astype(np.float16)), to="float32")
    attrs: dict[str, Any] = {"transB": 1} if op == "Gemm transposed" else {}
    graph = sketch.output(sketch.node(op.split()[0], x, w, **attrs))
    after = apply_all(graph)
    assert "Transpose" not in ops(after) and ops(after).get("Cast", 0) == half
    assert_same(graph, after)


def test_weights_of_a_partial_flatten_are_not_permuted() -> None:
    sketch = Sketch()
    x = sketch.node("Transpose", sketch.input((2, 4, 5, 3)), perm=FIRST)
    graph = sketch.output(sketch.node("MatMul", sketch.node("Reshape", x, sketch.ints(6, 20)), sketch.weights(20, 7)))
    after = apply(graph, permute_product_weights)
    assert ops(after)["Transpose"] == 1
    assert_same(graph, after)


def test_a_channel_shuffle_is_two_slices() -> None:
    def shuffle(sketch: Sketch, x: str) -> str:
        pairs = sketch.node("Reshape", x, sketch.ints(4, 2, 20))
        halves = sketch.node("Reshape", sketch.node("Transpose", pairs, perm=[1, 0, 2]), sketch.ints(2, -1, 4, 4, 5))
        parts = [sketch.node("Gather", halves, sketch.constant(index), axis=0) for index in (0, 1)]
        return sketch.node("Concat", sketch.node("Neg", parts[0]), parts[1], axis=1)

    graph = wrapped(shuffle, (1, 4, 5, 8))
    after = apply_all(graph)
    assert ops(after) == {"Slice": 2, "Neg": 1, "Concat": 1}
    assert_same(graph, after)


def test_a_grouped_channel_shuffle_is_one_transpose() -> None:
    def shuffle(sketch: Sketch, x: str) -> str:
        groups = sketch.node("Transpose", sketch.node("Reshape", x, sketch.ints(1, 2, 4, 4, 5)), perm=[0, 2, 1, 3, 4])
        return sketch.node("Reshape", groups, sketch.ints(1, 8, 4, 5))

    graph = wrapped(shuffle, (1, 4, 5, 8))
    after = apply_all(graph)
    assert ops(after) == {"Reshape": 2, "Transpose": 1}
    assert_same(graph, after)


def test_a_mixed_operand_gets_a_transpose_only_where_one_disappears() -> None:
    def mixed(sketch: Sketch, x: str) -> str:
        return sketch.node("Relu", sketch.node("Add", x, sketch.input((2, 3, 4, 5))))

    graph = wrapped(mixed)
    after = apply_all(graph)
    assert ops(after)["Transpose"] == 1
    assert_same(graph, after)
    sketch = Sketch()
    x = sketch.node("Transpose", sketch.input((2, 4, 5, 3)), perm=FIRST)
    graph = sketch.output(sketch.node("Add", x, sketch.input((2, 3, 4, 5))))
    after = apply_all(graph)
    assert ops(after) == {"Transpose": 1, "Add": 1}
    assert_same(graph, after)


def net(sketch: Sketch, x: str, op: str = "Conv") -> str:
    """A network of its input's shape, in a source that holds channels first."""
    shape = sketch.tensor(x).shape
    rank = len(shape)
    inner = sketch.node("Transpose", x, perm=[0, *range(2, rank), 1])
    pads = [1] * (2 * rank - 4)
    if op == "Conv":
        inner = sketch.node("Conv", inner, sketch.weights(shape[1], *[3] * (rank - 2), shape[1]), pads=pads)
    else:
        inner = sketch.node("MaxPool", inner, kernel_shape=[3] * (rank - 2), pads=pads)
    return sketch.node("Transpose", inner, perm=[0, rank - 1, *range(1, rank - 1)])


AROUND_NETS: dict[str, Callable[[Sketch, str], str]] = {
    "minus": lambda s, x: s.node("Sub", x, net(s, x)),
    "plus": lambda s, x: s.node("Add", net(s, x), x),
    "gate": lambda s, x: s.node("Mul", x, s.node("Sigmoid", net(s, x))),
    "gate of the result": lambda s, x: s.node("Mul", x, s.node("Sigmoid", net(s, s.node("Relu", x)))),
    "concat": lambda s, x: s.node("Concat", x, net(s, x), axis=1),
    "concat with a constant": lambda s, x: s.node(
        "Concat", x, net(s, x), s.weights(*s.tensor(x).shape), axis=len(s.tensor(x).shape) - 1
    ),
    "concat with a pool": lambda s, x: s.node("Concat", x, net(s, x, "MaxPool"), s.weights(*s.tensor(x).shape), axis=1),
    "maximum of three": lambda s, x: s.node("Max", x, net(s, x), s.weights(*s.tensor(x).shape)),
    "select": lambda s, x: s.node("Where", s.node("Greater", x, s.constant(np.float32(0))), x, net(s, x)),
    "two in a row": lambda s, x: s.node("Add", x, net(s, s.node("Relu", net(s, x)))),
    "nested": lambda s, x: s.node("Concat", net(s, x), x, net(s, net(s, x)), axis=1),
    "dense": lambda s, x: s.node("Concat", x, net(s, s.node("Concat", x, net(s, x), axis=1)), axis=1),
    "read again": lambda s, x: net(s, s.node("Sub", x, net(s, x))),
}


@pytest.mark.parametrize("shape", [(1, 2, 6), (1, 2, 6, 5), (2, 2, 3, 4, 3)], ids=["1-d", "2-d", "3-d"])
@pytest.mark.parametrize("case", AROUND_NETS)
def test_an_operator_on_both_sides_of_a_network_finds_one_layout(case: str, shape: tuple[int, ...]) -> None:
    """Both layouts are as good for it, so that it could be moved to and fro for ever."""
    sketch = Sketch()
    graph = sketch.output(AROUND_NETS[case](sketch, sketch.input(shape)))
    after = deepcopy(graph)
    assert sum(rewrite(after, debug=True).values()) <= 3 * len(graph.nodes)
    assert ops(after)["Transpose"] <= 2 and max(map(len, after.values)) < 30
    assert_same(graph, after, tolerance=1e-4)


def test_transposes_merge() -> None:
    sketch = Sketch()
    x = sketch.input((2, 3, 4))
    once = sketch.node("Transpose", sketch.node("Transpose", x, perm=[1, 2, 0]), perm=[1, 0, 2])
    reversed_twice = sketch.node("Transpose", sketch.node("Transpose", x))
    graph = sketch.output(once, reversed_twice)
    after = apply(graph, merge_transposes)
    assert [node.attrs["perm"] for node in after.nodes] == [[2, 1, 0], [0, 1, 2]]
    assert_same(graph, after)


def test_ones_keep_their_order_whatever_reshapes_moved_them() -> None:
    sketch = Sketch()
    x = sketch.node("Reshape", sketch.input((1, 4, 5, 3)), sketch.ints(4, 5, 3, 1))
    graph = sketch.output(sketch.node("Transpose", x, perm=[3, 2, 0, 1]))
    after = apply(graph, order_ones)
    assert ops(after) == {"Transpose": 1} and after.nodes[0].attrs["perm"] == FIRST
    assert_same(graph, after)


def test_reshapes_pass_elementwise_operators() -> None:
    sketch = Sketch()
    x = sketch.input((2, 1, 1, 6))
    y = sketch.node("Reshape", x, sketch.ints(2, 6, 1, 1))
    y = sketch.node("Mul", sketch.node("Relu", y), sketch.weights(6, 1, 1))
    both = sketch.node("Add", y, sketch.node("Reshape", sketch.node("Neg", x), sketch.ints(2, 6, 1, 1)))
    graph = sketch.output(sketch.node("Reshape", both, sketch.ints(2, 6)))
    after = apply(graph, *CLEAN, sink_reshape_below_unary, sink_reshape_below_broadcasting)
    assert ops(after) == {"Relu": 1, "Mul": 1, "Neg": 1, "Add": 1, "Reshape": 1}
    assert_same(graph, after)


def test_any_reshape_passes_operands_of_one_element() -> None:
    sketch = Sketch()
    y = sketch.node("Reshape", sketch.input((2, 6)), sketch.ints(1, 3, 4))
    y = sketch.node("Sub", y, sketch.constant(np.array([[[2]]], np.float32)))
    graph = sketch.output(sketch.node("Reshape", sketch.node("Add", y, sketch.input((1,))), sketch.ints(2, 6)))
    after = apply(graph, *CLEAN, sink_reshape_below_broadcasting)
    assert ops(after) == {"Sub": 1, "Add": 1}
    assert_same(graph, after)


@pytest.mark.parametrize(
    ("before", "after", "groups"),
    [
        ((2, 3, 4), (6, 4), [([0, 1], [0]), ([2], [1])]),
        ((6, 4), (2, 3, 1, 4), [([0], [0, 1]), ([1], [3])]),
        ((1, 6, 1), (6,), [([1], [0])]),
        (("n", 3, 4), ("n", 12), [([0], [0]), ([1, 2], [1])]),
        (("n", "h", "w", 3), ("n", "s", 3), [([0], [0]), ([1, 2], [1]), ([3], [2])]),
        ((4, 9), (6, 6), [([0, 1], [0, 1])]),
        ((2, "h", 3), ("k", 3), [([0, 1], [0]), ([2], [1])]),
        ((2, 3), ("k",), [([0, 1], [0])]),
    ],
)
def test_regroup(before: tuple[Any, ...], after: tuple[Any, ...], groups: Any) -> None:
    assert regroup(before, after) == groups


def test_the_edge_of_a_channels_first_model_keeps_one_transpose_each() -> None:
    sketch = Sketch()
    x = sketch.node("Transpose", sketch.input(("n", 3, "h", "w")), perm=LAST)
    x = sketch.node("Conv", x, sketch.weights(4, 3, 3, 3), pads=[1, 1, 1, 1])
    x = sketch.node("Relu", sketch.node("Transpose", x, perm=FIRST))
    pool = sketch.node("MaxPool", sketch.node("Transpose", x, perm=LAST), kernel_shape=[2, 2], strides=[2, 2])
    graph = sketch.output(sketch.node("Sigmoid", sketch.node("Transpose", pool, perm=FIRST)))
    after = apply_all(graph)
    assert [node.op for node in after.nodes] == ["Transpose", "Conv", "MaxPool", "Sigmoid", "Transpose"]
    feeds = {"in0": np.random.default_rng(0).standard_normal((2, 3, 9, 8)).astype(np.float32)}
    assert_same(graph, after, feeds=feeds)


def test_names_tell_which_source_tensor_was_turned_channels_last() -> None:
    sketch = Sketch()
    x = sketch.node("Conv", sketch.node("Transpose", sketch.input((1, 3, 4, 4)), perm=LAST), sketch.weights(4, 1, 1, 3))
    source = sketch.node("Transpose", x, perm=FIRST)
    pool = sketch.node("MaxPool", sketch.node("Transpose", source, perm=LAST), kernel_shape=[2, 2])
    graph = sketch.output(pool)
    after = apply_all(graph)
    assert only(after, "Conv").outputs == [f"{source}.channels_last"]
    assert_same(graph, after)
