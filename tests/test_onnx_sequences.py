"""Sequences and optional values whose lengths are known at conversion, against onnxruntime."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest

pytest.importorskip("onnxruntime")

from onnx_models import agree, feeds_for, graph_from, model_of, node

from millijoule.runtime.errors import ModelError

SAME: Any = dict.fromkeys("abc", ((2, 3), "float32"))
DIFFERENT: Any = {"a": ((2, 3), "float32"), "b": ((4, 3), "float32")}


def constants(**numbers: Any) -> dict[str, np.ndarray]:
    return {name: np.array(number, np.int64) for name, number in numbers.items()}


@pytest.mark.parametrize("place", [0, 1, 2, -1, -3])
def test_element_at_a_place(place: int) -> None:
    nodes = [node("SequenceConstruct", "a b c", "s"), node("SequenceAt", "s i", "y")]
    agree(nodes, SAME, constants=constants(i=place))
    for dtype in ("int64", "int32"):
        agree(nodes, {**SAME, "i": ((), dtype)}, feeds={**feeds_for(SAME), "i": np.array(place, dtype)})


@pytest.mark.parametrize("place", [0, 1, 2, -1, -2])
def test_inserted(place: int) -> None:
    """Where the place is fed, every element moves to where it belongs."""
    nodes = [
        node("SequenceEmpty", "", "s0"),
        node("SequenceInsert", "s0 a", "s1"),
        node("SequenceInsert", "s1 b", "s2"),
        node("SequenceInsert", "s2 c i", "s3"),
        node("ConcatFromSequence", "s3", "y", axis=0),
    ]
    agree(nodes, SAME, constants=constants(i=place))
    agree(nodes, {**SAME, "i": ((), "int64")}, feeds={**feeds_for(SAME), "i": np.array(place)})


def test_erased_and_counted() -> None:
    nodes = [
        node("SequenceConstruct", "a b c", "s"),
        node("SequenceErase", "s i", "s1"),
        node("SequenceErase", "s1", "s2"),
        node("SequenceLength", "s1", "n"),
        node("ConcatFromSequence", "s1", "x", axis=1, new_axis=1),
        node("SequenceAt", "s2 z", "y"),
    ]
    agree(nodes, SAME, "x y n", constants(i=1, z=0))


@pytest.mark.parametrize(("split", "keepdims"), [(None, 0), (None, 1), (2, 1), ([1, 3], 1), (4, 1)])
def test_split(split: Any, keepdims: int) -> None:
    named = {} if split is None else constants(split=split)
    nodes = [
        node("SplitToSequence", "b split" if named else "b", "s", axis=0, keepdims=keepdims),
        node("SequenceAt", "s i", "y"),
        node("SequenceLength", "s", "n"),
    ]
    agree(nodes, DIFFERENT, "y n", {**named, **constants(i=-1)})


def test_elements_of_several_shapes() -> None:
    nodes = [node("SequenceConstruct", "a b", "s"), node("ConcatFromSequence", "s", "y", axis=0)]
    agree(nodes, DIFFERENT)
    agree([nodes[0], node("Identity", "s", "t"), node("SequenceAt", "t i", "y")], DIFFERENT, constants=constants(i=1))


def test_optional_values() -> None:
    tensor = onnx.helper.make_tensor_type_proto(onnx.TensorProto.FLOAT, None)
    nodes = [
        node("Optional", "a", "o"),
        node("OptionalHasElement", "o", "there"),
        node("OptionalGetElement", "o", "x"),
        node("Optional", "", "none", type=tensor),
        node("OptionalHasElement", "none", "gone"),
        node("Neg", "x", "y"),
    ]
    agree(nodes, SAME, "y there gone", opset=18)


@pytest.mark.parametrize(
    ("nodes", "problem"),
    [
        ([node("SequenceConstruct", "a b", "s"), node("Neg", "s", "y")], "input 's' is a sequence"),
        ([node("SequenceConstruct", "a b", "s"), node("SequenceAt", "s j", "y")], "no position 5 in 2"),
        ([node("SequenceAt", "a j", "y")], "'a' is no sequence"),
        ([node("SequenceEmpty", "", "s"), node("ConcatFromSequence", "s", "y", axis=0)], "is empty"),
        ([node("SplitToSequence", "a k", "s"), node("SequenceLength", "s", "y")], "2 into 2 parts of together 9"),
    ],
)
def test_what_cannot_be_converted(nodes: list[onnx.NodeProto], problem: str) -> None:
    inputs: Any = {**DIFFERENT, "i": ((), "int64")}
    with pytest.raises(ModelError, match=problem):
        graph_from(model_of(nodes, inputs, "y", constants(j=5, k=[4, 5])))
