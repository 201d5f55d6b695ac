"""Operators in the forms of older operator sets, brought up to date: against onnxruntime."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx")

from onnx_models import agree, graph_from, model_of, node

from millijoule.runtime.errors import ModelError

IMAGE = {"x": ((2, 3, 6, 5), "float32")}
MATRIX = {"x": ((3, 4), "float32")}


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


@pytest.mark.parametrize("bounds", [{"min": -0.5, "max": 0.7}, {"min": 0.0}, {"max": 0.1}, {}])
def test_clip_with_bounds_as_attributes(bounds: dict[str, float]) -> None:
    agree([node("Clip", "x", "y", **bounds)], MATRIX, opset=7)


def test_clip_with_bounds_as_inputs() -> None:
    agree([node("Clip", "x - high", "y")], MATRIX, constants={"high": np.float32(0.2)}, opset=11)
    agree([node("Clip", "x low high", "y")], {**MATRIX, "low": ((), "float32"), "high": ((), "float32")}, opset=13)


@pytest.mark.parametrize("opset", [7, 9])
def test_slice_with_attributes(opset: int) -> None:
    agree([node("Slice", "x", "y", starts=[1, -4], ends=[3, 100], axes=[1, 3])], IMAGE, opset=opset)
    agree([node("Slice", "x", "y", starts=[0, 1], ends=[1, -1])], IMAGE, opset=opset)


def test_slice_with_inputs() -> None:
    constants = {"s": ints(-1, 0), "e": ints(-100, 4), "a": ints(1, -1), "t": ints(-2, 3)}
    agree([node("Slice", "x s e a t", "y")], IMAGE, constants=constants, opset=10)


@pytest.mark.parametrize("op", ["Squeeze", "Unsqueeze"])
def test_axes_became_an_input(op: str) -> None:
    inputs = {"x": ((1, 3, 1, 2), "float32")}
    agree([node(op, "x", "y", axes=[0, 2])], inputs, opset=11)
    agree([node(op, "x a", "y")], inputs, constants={"a": ints(0, 2)}, opset=13)


def test_squeeze_of_every_dimension_of_size_one() -> None:
    agree([node("Squeeze", "x", "y")], {"x": ((1, 3, 1), "float32")}, opset=7)
    agree([node("Squeeze", "x", "y")], {"x": ((1, 3, 1), "float32")}, opset=13)


@pytest.mark.parametrize(
    ("opset", "attrs", "inputs"),
    [
        (7, {}, "x"),
        (7, {"split": [1, 3]}, "x"),
        (13, {}, "x"),
        (13, {}, "x s"),
        (18, {"num_outputs": 2}, "x"),
        (18, {}, "x s"),
    ],
)
def test_split(opset: int, attrs: dict[str, Any], inputs: str) -> None:
    constants = {"s": ints(1, 3)} if "s" in inputs.split() else {}
    agree([node("Split", inputs, "y z", axis=1, **attrs)], MATRIX, "y z", constants, opset=opset)


def test_split_of_which_one_part_is_used() -> None:
    agree([node("Split", "x", "a y b", axis=1)], {"x": ((2, 6), "float32")}, "y", opset=11)
    agree([node("Split", "x", "y a b", axis=1, num_outputs=3)], {"x": ((2, 5), "float32")}, "y", opset=18)


@pytest.mark.parametrize("mode", ["constant", "reflect", "edge"])
def test_pad(mode: str) -> None:
    pads = [0, 0, 1, 2, 0, 1, 0, 2] if mode == "constant" else [0, 0, 1, 2, 0, 0, 0, 2]
    agree([node("Pad", "x", "y", pads=pads, mode=mode, value=0.5)], IMAGE, opset=7)
    constants = {"p": ints(*pads), "v": np.float32(-1)}
    agree([node("Pad", "x p v", "y", mode=mode)], IMAGE, constants=constants, opset=13)


def test_pad_along_some_axes() -> None:
    constants = {"p": ints(1, 0, 2, 1), "a": ints(3, -2)}
    agree([node("Pad", "x p - a", "y")], IMAGE, constants=constants, opset=18)


@pytest.mark.parametrize("op", ["Softmax", "LogSoftmax", "Hardmax"])
@pytest.mark.parametrize("axis", [None, 0, 1, 2, 3, -1])
@pytest.mark.parametrize("opset", [7, 11, 13])
def test_softmax_over_all_trailing_axes_or_one(op: str, axis: int | None, opset: int) -> None:
    attrs = {} if axis is None or (opset == 7 and axis < 0) else {"axis": axis}
    agree([node(op, "x", "y", **attrs)], IMAGE, opset=opset)


def test_softmax_of_unknown_rank() -> None:
    """The matrix is formed at run time, so that nothing needs to be known."""
    feeds = {"x": np.arange(12, dtype=np.float32).reshape(2, 2, 3)}
    agree([node("Softmax", "x", "y", axis=1)], {"x": (None, "float32")}, opset=9, feeds=feeds)


@pytest.mark.parametrize("opset", [7, 10, 12, 13])
def test_dropout_drops_nothing(opset: int) -> None:
    agree([node("Dropout", "x", "y"), node("Relu", "y", "z")], MATRIX, "z", opset=opset)


def test_dropout_with_its_mask() -> None:
    agree([node("Dropout", "x", "y m")], MATRIX, "y m", opset=12)
    agree([node("Dropout", "x", "y m")], MATRIX, "m", opset=12)


@pytest.mark.parametrize("opset", [7, 9, 14, 15])
def test_batch_normalization(opset: int) -> None:
    rng = np.random.default_rng(1)
    parameters = {name: rng.random(3).astype(np.float32) + 0.5 for name in ("s", "b", "m", "v")}
    agree([node("BatchNormalization", "x s b m v", "y", epsilon=1e-3)], IMAGE, constants=parameters, opset=opset)


def test_batch_normalization_exported_with_all_its_results() -> None:
    """Results that nothing reads do not make it a training operator."""
    parameters = {name: np.ones(3, np.float32) for name in ("s", "b", "m", "v")}
    nodes = [node("BatchNormalization", "x s b m v", "y a b2 c d")]
    assert [n.op for n in graph_from(model_of(nodes, IMAGE, "y", parameters, opset=7)).nodes] == ["BatchNormalization"]


def test_batch_normalization_with_computed_parameters() -> None:
    constants = {"q": np.array([10, 20, 30], np.int8), "s": np.float32(0.1), "o": np.ones(3, np.float32)}
    nodes = [node("DequantizeLinear", "q s", "g"), node("BatchNormalization", "x g o o o", "y")]
    agree(nodes, IMAGE, constants=constants)


@pytest.mark.parametrize("opset", [7, 10, 11])
def test_top_k(opset: int) -> None:
    if opset < 10:
        agree([node("TopK", "x", "y z", axis=1, k=2)], MATRIX, "y z", opset=opset)
    else:
        agree([node("TopK", "x k", "y z", axis=1)], MATRIX, "y z", {"k": ints(2)}, opset=opset)


@pytest.mark.parametrize("keepdims", [0, 1])
@pytest.mark.parametrize("op", ["ReduceSum", "ReduceMean", "ReduceMax", "ReduceL2", "ReduceProd"])
def test_reductions_of_every_form(op: str, keepdims: int) -> None:
    agree([node(op, "x", "y", axes=[1, -1], keepdims=keepdims)], IMAGE, opset=11)
    agree([node(op, "x", "y", keepdims=keepdims)], IMAGE, opset=7)
    agree([node(op, "x a", "y", keepdims=keepdims)], IMAGE, constants={"a": ints(1, -1)}, opset=18)


def test_reduction_without_axes_may_do_nothing() -> None:
    agree([node("ReduceSum", "x", "y", noop_with_empty_axes=1)], IMAGE, opset=13)


@pytest.mark.parametrize("op", ["Sum", "Mean", "Max", "Min"])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_variadic_operators(op: str, count: int) -> None:
    inputs = {name: ((3, 4) if name != "c" else (4,), "float32") for name in ("a", "b", "c")[:count]}
    agree([node(op, " ".join(inputs), "y")], inputs, opset=8)


@pytest.mark.parametrize("opset", [7, 9, 11, 13])
def test_gemm(opset: int) -> None:
    inputs = {"a": ((4, 3), "float32"), "b": ((5, 4), "float32")}
    constants = {"c": np.arange(5, dtype=np.float32)}
    agree(
        [node("Gemm", "a b c", "y", transA=1, transB=1, alpha=0.5, beta=2.0)], inputs, constants=constants, opset=opset
    )


def test_gemm_without_c() -> None:
    agree([node("Gemm", "a b", "y")], {"a": ((3, 4), "float32"), "b": ((4, 2), "float32")}, opset=11)


@pytest.mark.parametrize(
    "attrs",
    [
        {"value_float": 1.5},
        {"value_floats": [1.0, 2.0]},
        {"value_int": 3},
        {"value_ints": [1, -2]},
    ],
)
def test_constants_of_every_kind(attrs: dict[str, Any]) -> None:
    agree([node("Constant", "", "c", **attrs), node("Identity", "c", "y")], {}, opset=13)


def test_constant_tensors_sparse_or_dense() -> None:
    from onnx import helper, numpy_helper

    values = numpy_helper.from_array(np.array([1.5, -2.0], np.float32), "v")
    for indices in (np.array([1, 5]), np.array([[0, 1], [1, 2]])):
        sparse = helper.make_sparse_tensor(values, numpy_helper.from_array(indices), [2, 3])
        graph = graph_from(model_of([node("Constant", "", "y", sparse_value=sparse)], {}, "y", opset=13))
        np.testing.assert_array_equal(graph.constant("y"), np.array([[0, 1.5, 0], [0, 0, -2]], np.float32))
    dense = numpy_helper.from_array(np.eye(2, dtype=np.float16))
    np.testing.assert_array_equal(
        graph_from(model_of([node("Constant", "", "y", value=dense)], {}, "y", opset=9)).constant("y"), np.eye(2)
    )


def test_constant_of_shape_and_expand() -> None:
    from onnx import numpy_helper

    seven = numpy_helper.from_array(np.array([7], np.int32))
    agree([node("ConstantOfShape", "s", "y", value=seven)], {}, constants={"s": ints(2, 3)}, opset=9)
    agree([node("ConstantOfShape", "s", "y")], {}, constants={"s": ints(2, 3)}, opset=9)
    agree([node("Expand", "x s", "y")], {"x": ((3, 1), "float32")}, constants={"s": ints(2, 1, 4)}, opset=8)


@pytest.mark.parametrize("to", ["int64", "float16", "bool", "uint8", "float64"])
def test_cast(to: str) -> None:
    from onnx import helper

    code = helper.np_dtype_to_tensor_dtype(np.dtype(to))
    feeds = {"x": np.array([0, 1.5, 200.25], np.float32)}
    agree([node("Cast", "x", "y", to=code)], {"x": ((3,), "float32")}, opset=9, feeds=feeds)


def test_shapes_that_exporters_compute() -> None:
    """Shape -> Gather -> Concat -> Reshape, as PyTorch writes view(x.size(0), -1)."""
    nodes = [
        node("Shape", "x", "s"),
        node("Gather", "s zero", "n", axis=0),
        node("Unsqueeze", "n", "n1", axes=[0]),
        node("Concat", "n1 rest", "t", axis=0),
        node("Reshape", "x t", "y"),
    ]
    inputs = {"x": (("batch", 3, 4), "float32")}
    graph = agree(nodes, inputs, constants={"zero": np.int64(0), "rest": ints(-1)}, opset=11)
    assert graph.values["y"].shape == ("batch", 12)


@pytest.mark.parametrize("op", ["GreaterOrEqual", "LessOrEqual", "Greater", "Equal"])
def test_comparisons(op: str) -> None:
    agree([node(op, "x z", "y")], {**MATRIX, "z": ((4,), "float32")}, opset=12)


def test_scatter_under_its_first_name() -> None:
    constants = {"i": ints(1, 0).reshape(2, 1), "u": np.ones((2, 1), np.float32)}
    agree([node("Scatter", "x i u", "y", axis=1)], MATRIX, constants=constants, opset=9)


@pytest.mark.parametrize(("op", "opset"), [("HardSwish", 14), ("Celu", 12), ("ThresholdedRelu", 10), ("Mish", 18)])
def test_activations(op: str, opset: int) -> None:
    agree([node(op, "x", "y")], MATRIX, opset=opset)


@pytest.mark.parametrize("approximate", ["none", "tanh"])
def test_gelu(approximate: str) -> None:
    agree([node("Gelu", "x", "y", approximate=approximate)], MATRIX, opset=20)


def test_prelu_of_a_slope_per_channel() -> None:
    constants = {"s": np.array([0.1, 0.2, -0.3], np.float32).reshape(3, 1, 1)}
    agree([node("PRelu", "x s", "y")], IMAGE, constants=constants, opset=7)


def test_batch_normalization_as_in_training() -> None:
    parameters = {name: np.linspace(1, 2, 3, dtype=np.float32) for name in ("s", "b", "m", "v")}
    nodes = [node("BatchNormalization", "x s b m v", "y mean variance", training_mode=1, momentum=0.75, epsilon=0.01)]
    agree(nodes, IMAGE, "y mean variance", constants=parameters, opset=15)


def test_statistics_per_element_are_refused() -> None:
    parameters = {name: np.ones(3, np.float32) for name in ("s", "b", "m", "v")}
    nodes = [node("BatchNormalization", "x s b m v", "y", spatial=0)]
    with pytest.raises(ModelError, match=r"BatchNormalization x1: statistics per element"):
        graph_from(model_of(nodes, IMAGE, "y", parameters, opset=7))
