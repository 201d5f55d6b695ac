"""Sequences and optional values that are known only at run time, through the public API and against onnxruntime."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

pytest.importorskip("onnxruntime")

from onnx import TensorProto, helper
from onnx_models import node, onnxruntime_of

import millijoule as mj
from millijoule.runtime.errors import InputError, ModelError

FLOATS = helper.make_tensor_type_proto(TensorProto.FLOAT, None)
SEQUENCE = helper.make_sequence_type_proto(FLOATS)
ITEMS = [np.arange(6, dtype=np.float32).reshape(2, 3), np.ones((1, 3), np.float32), np.zeros((0, 3), np.float32)]
I64 = helper.make_tensor_type_proto(TensorProto.INT64, [])


def model_of(
    nodes: Sequence[onnx.NodeProto], outputs: str, inputs: dict[str, onnx.TypeProto], opset: int = 18, **constants: Any
) -> onnx.ModelProto:
    given = [helper.make_value_info(name, kind) for name, kind in inputs.items()]
    stored = [onnx.numpy_helper.from_array(np.asarray(data), name) for name, data in constants.items()]
    made = [onnx.ValueInfoProto(name=name) for name in outputs.split()]
    graph = helper.make_graph(list(nodes), "sequences", given, made, stored)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)


def same(found: Any, wanted: Any) -> None:
    if isinstance(wanted, list):
        assert isinstance(found, list) and len(found) == len(wanted)
        for got, expected in zip(found, wanted, strict=True):
            same(got, expected)
    elif wanted is None:
        assert found is None
    else:
        assert found.dtype == wanted.dtype and found.shape == wanted.shape
        np.testing.assert_array_equal(found, wanted)


def agrees(model: onnx.ModelProto, feeds: dict[str, Any], folder: Path) -> None:
    """Through a .mj file, with kernels."""
    path = folder / "sequences.mj"
    mj.convert(model).save(path)
    wanted = onnxruntime_of(model, feeds)
    with mj.load(path, threads=1) as session:
        for _ in range(2):
            found = session.run(feeds)
    assert list(found) == list(wanted)
    for name, expected in wanted.items():
        same(found[name], expected)


@pytest.mark.parametrize(
    "nodes",
    [
        [node("Identity", "s", "y")],
        [node("SequenceLength", "s", "y")],
        [node("SequenceAt", "s i", "x"), node("Relu", "x", "y")],
        [node("SequenceInsert", "s z", "y")],
        [node("SequenceInsert", "s z i", "y")],
        [node("SequenceErase", "s", "y")],
        [node("SequenceErase", "s i", "t"), node("SequenceInsert", "t z i", "y")],
        [node("ConcatFromSequence", "s", "x", axis=0), node("Neg", "x", "y")],
        [node("SequenceAt", "s i", "a"), node("SequenceConstruct", "z a", "y")],
        [node("SplitToSequence", "z k", "y", axis=1)],
        [node("SplitToSequence", "z", "y", axis=0, keepdims=0)],
    ],
    ids=lambda nodes: "-".join(made.op_type for made in nodes),
)
@pytest.mark.parametrize("place", [0, -2])
def test_operators(nodes: list[onnx.NodeProto], place: int, tmp_path: Path) -> None:
    rows = helper.make_tensor_type_proto(TensorProto.FLOAT, ["n", 3])
    model = model_of(nodes, "y", {"s": SEQUENCE, "i": I64, "z": rows, "k": I64})
    z = np.full((2, 3), 7, np.float32)
    agrees(model, {"s": ITEMS, "i": np.array(place), "z": z, "k": np.array(2)}, tmp_path)


def test_nothing_is_left_to_compute_once_a_sequence_is_fed() -> None:
    model = model_of([node("Optional", "s", "o"), node("OptionalHasElement", "o", "y")], "y", {"s": SEQUENCE})
    with mj.load(mj.convert(model), threads=1) as session:
        assert session.run({"s": ITEMS})["y"] == np.True_


def test_lengths_that_change_from_run_to_run(tmp_path: Path) -> None:
    model = model_of([node("ConcatFromSequence", "s", "y", axis=0)], "y", {"s": SEQUENCE})
    with mj.load(mj.convert(model), threads=1) as session:
        for count in (1, 3, 2, 1):
            same(session.run(ITEMS[:count])["y"], np.concatenate(ITEMS[:count]))
        with pytest.raises(ModelError, match="the sequence that it reads is empty"):
            session.run({"s": []})


def test_sequences_without_end() -> None:
    body = helper.make_graph(
        [node("Identity", "go", "again"), node("SequenceInsert", "before x", "after")],
        "body",
        [
            helper.make_tensor_value_info("number", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_value_info("before", SEQUENCE),
        ],
        [helper.make_tensor_value_info("again", TensorProto.BOOL, []), helper.make_value_info("after", SEQUENCE)],
    )
    nodes = [node("Loop", "times - s", "y", body=body)]
    vector = helper.make_tensor_type_proto(TensorProto.FLOAT, [1])
    with mj.load(mj.convert(model_of(nodes, "y", {"s": SEQUENCE, "x": vector, "times": I64}))) as session:
        feeds = {"s": [np.zeros(1, np.float32)] * ((1 << 16) - 2), "x": np.ones(1, np.float32)}
        assert len(session.run({**feeds, "times": np.array(2)})["y"]) == 1 << 16
        with pytest.raises(ModelError, match="a sequence of more than 65536 items"):
            session.run({**feeds, "times": np.array(9)})


def test_a_sequence_that_a_loop_fills(tmp_path: Path) -> None:
    """Elements of several shapes, whose number is fed."""
    body = helper.make_graph(
        [
            node("Identity", "go", "again"),
            node("Unsqueeze", "number axis", "stop"),
            node("Slice", "x zero stop", "part"),
            node("Mul", "part part", "square"),
            node("SequenceInsert", "before square", "after"),
        ],
        "body",
        [
            helper.make_tensor_value_info("number", TensorProto.INT64, []),
            helper.make_tensor_value_info("go", TensorProto.BOOL, []),
            helper.make_value_info("before", SEQUENCE),
        ],
        [helper.make_tensor_value_info("again", TensorProto.BOOL, []), helper.make_value_info("after", SEQUENCE)],
    )
    nodes = [node("SequenceEmpty", "", "none"), node("Loop", "times - none", "y", body=body)]
    vector = helper.make_tensor_type_proto(TensorProto.FLOAT, [5])
    model = model_of(nodes, "y", {"x": vector, "times": I64}, zero=np.array([0]), axis=np.array([0]))
    feeds = {"x": np.arange(5, dtype=np.float32), "times": np.array(4)}
    agrees(model, feeds, tmp_path)
    agrees(model, {**feeds, "times": np.array(0)}, tmp_path)


@pytest.mark.parametrize("held", [FLOATS, SEQUENCE], ids=["tensor", "sequence"])
def test_optional_inputs(held: onnx.TypeProto, tmp_path: Path) -> None:
    """onnxruntime's own optional types are of another operator set; what they mean is plain."""
    given = ITEMS[0] if held is FLOATS else ITEMS
    nodes = [node("OptionalHasElement", "o", "there"), node("Identity", "o", "same")]
    model = model_of(nodes, "there same", {"o": helper.make_optional_type_proto(held)})
    mj.convert(model).save(tmp_path / "optional.mj")
    with mj.load(tmp_path / "optional.mj") as session:
        found = session.run({"o": given})
        same(found["same"], given)
        assert found["there"].item() is True
        found = session.run({"o": None})
        assert found["there"].item() is False and found["same"] is None


def test_what_may_be_fed() -> None:
    model = mj.convert(model_of([node("Identity", "s", "y")], "y", {"s": SEQUENCE}))
    assert model.inputs["s"].kind == "sequence(float32)" and model.inputs["s"].shape is None
    with mj.load(model) as session:
        given = [array.copy() for array in ITEMS]
        found = session.run({"s": tuple(given)})["y"]
        found[0][...] = 5
        same(given, ITEMS)
        for wrong, problem in ((ITEMS[0], "got ndarray, not"), ([np.ones(2)], "got float64"), (None, "got None")):
            with pytest.raises(InputError, match=rf"'s' sequence\(float32\) expected: {problem}"):
                session.run({"s": wrong})
    with pytest.raises(InputError, match="self_test"):
        mj.convert(model_of([node("Identity", "s", "y")], "y", {"s": SEQUENCE}), self_test=1)
