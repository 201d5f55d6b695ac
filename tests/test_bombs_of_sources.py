"""As test_bombs.py, of ONNX and TFLite files: what they call often, share, name, and store sparse."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
from bomb import MARKS, check_source

pytest.importorskip("onnx")
pytest.importorskip("tflite")

import onnx
from onnx import helper
from onnx_models import graph_of, model_of, node

pytestmark = MARKS

LONG = "n" * 1_000_000
MEGABYTE = onnx.numpy_helper.from_array(np.ones(1 << 18, np.float32), "c")
OPSETS = [helper.make_opsetid("", 21), helper.make_opsetid("local", 1), helper.make_opsetid("ai.onnx.ml", 3)]
TOO_MANY, TOO_LONG = "more than .* nodes once its functions are expanded", "too much for a model"
NAMES = "more than .* bytes of names and attributes"
TEXT = np.array(["1" * 1_000_000], object)


class Source(NamedTuple):
    """make: the model, of a file in this folder. feeds: ones by default."""

    make: Callable[[Path], onnx.ModelProto]
    refused: str = ""
    feeds: dict[str, np.ndarray] | None = None


def source(nodes: Sequence[onnx.NodeProto], refused: str = "", outputs: str = "y", **more: Any) -> Source:
    inputs, constants = more.pop("inputs", {"x": ((1, 4), "float32")}), more.pop("constants", {})
    feeds, sparse = more.pop("feeds", None), more.pop("sparse", ())
    model = model_of(nodes, inputs, outputs, constants, opsets=OPSETS, **more)
    model.graph.sparse_initializer.extend(sparse)
    return Source(lambda folder: model, refused, feeds)


def function(name: str, nodes: Sequence[onnx.NodeProto], attributes: Sequence[str] = ()) -> onnx.FunctionProto:
    return helper.make_function("local", name, ["a"], ["b"], list(nodes), OPSETS, list(attributes))


def called(function: str, count: int, first: str = "a", last: str = "b", **attrs: Any) -> list[onnx.NodeProto]:
    """A function so many times, each on what the one before gave."""
    names = [first, *(f"{first}{number}" for number in range(1, count)), last]
    return [node(function, names[at], names[at + 1], domain="local", **attrs) for at in range(count)]


def in_turn(count: int) -> list[onnx.NodeProto]:
    names = ["a", *(f"t{number}" for number in range(1, count)), "b"]
    return [node(("Neg", "Abs")[at % 2], names[at], names[at + 1]) for at in range(count)]


def calls_in_calls(levels: int, calls: int, innermost: Sequence[onnx.NodeProto]) -> Source:
    functions = [function("F0", innermost)]
    functions += [function(f"F{level}", called(f"F{level - 1}", calls)) for level in range(1, levels)]
    return source(called(f"F{levels - 1}", 1, "x", "y"), TOO_MANY, functions=functions)


def constants_in_calls(constant: onnx.NodeProto, count: int) -> Source:
    body = [constant, node("ReduceSum", "c", "s", keepdims=0), node("Add", "a s", "b")]
    return source(called("F", count, "x", "y"), functions=[function("F", body)])


def handed_down(count: int) -> Source:
    """An attribute of 1 MB from call to call."""

    def refer(made: onnx.NodeProto) -> onnx.NodeProto:
        made.attribute.add(name="value", ref_attr_name="value", type=onnx.AttributeProto.TENSOR)
        return made

    body = [refer(node("Constant", "", "c")), node("ReduceSum", "c", "s", keepdims=0), node("Add", "a s", "b")]
    functions = [function("F", body, ["value"]), function("G", [refer(made) for made in called("F", count)], ["value"])]
    return source([node("G", "x", "y", domain="local", value=MEGABYTE)], NAMES, functions=functions)


def sparse(name: str) -> onnx.SparseTensorProto:
    """One number in 256 MiB."""
    values = helper.make_tensor(name, onnx.TensorProto.FLOAT, [1], [1.0])
    return helper.make_sparse_tensor(values, helper.make_tensor("i", onnx.TensorProto.INT64, [1], [0]), [1 << 26])


def beside(count: int, step: int, refused: str = "") -> Source:
    """So many constants of 4 MiB that lie that far from each other in one file."""

    def make(folder: Path) -> onnx.ModelProto:
        size = 1 << 22
        (folder / "weights.bin").write_bytes(bytes(size + step * count))
        names = [f"c{number}" for number in range(count)]
        model = model_of([node("Sum", " ".join(["x", *names]), "y")], {"x": ((1, 1 << 20), "float32")}, "y")
        for number, name in enumerate(names):
            tensor = onnx.TensorProto(name=name, data_type=onnx.TensorProto.FLOAT, dims=[1 << 20])
            tensor.data_location = onnx.TensorProto.EXTERNAL
            for key, value in (("location", "weights.bin"), ("offset", number * step), ("length", size)):
                tensor.external_data.add(key=key, value=str(value))
            model.graph.initializer.append(tensor)
        return model

    return Source(make, refused)


def readers(count: int) -> list[onnx.NodeProto]:
    """Nodes that differ and read one value."""
    return [node("LeakyRelu", "x", f"t{at}", alpha=at / count) for at in range(count)]


def labelled(text: str) -> Source:
    model = model_of([node("Relu", "x", "y")], {"x": ((1, 4), "float32")}, "y")
    helper.set_model_props(model, {"names": text})
    return Source(lambda folder: model)


def of_text(op: str, count: int, refused: str, text: np.ndarray = TEXT, other: bool = False, **attrs: Any) -> Source:
    """A node on one text, so many times. other: and on a second that is like it."""
    inputs = ["x", "z"][: 1 + other]
    nodes = [node(op, " ".join(inputs), f"y{number}", **attrs) for number in range(count)]
    feeds = {"x": text, "z": np.array(["".join([*text[0]])], object)}
    made = model_of(nodes, {}, " ".join(f"y{number}" for number in range(count)), opsets=OPSETS)
    made.graph.input.extend(helper.make_tensor_value_info(name, onnx.TensorProto.STRING, [1]) for name in inputs)
    return Source(lambda folder: made, refused, {name: feeds[name] for name in inputs})


def tree(nodes: int) -> Source:
    """One as deep as it can be."""
    inner = [at % 2 == 0 and at + 2 < nodes for at in range(nodes)]
    leaves = [at for at in range(nodes) if not inner[at]]
    made = node(
        "TreeEnsembleRegressor", "x", "y", domain="ai.onnx.ml", n_targets=1, nodes_treeids=[0] * nodes,
        nodes_nodeids=list(range(nodes)), nodes_featureids=[0] * nodes, nodes_values=[float(at) for at in range(nodes)],
        nodes_modes=["BRANCH_LEQ" if branch else "LEAF" for branch in inner],
        nodes_truenodeids=[at + 1 if branch else 0 for at, branch in enumerate(inner)],
        nodes_falsenodeids=[at + 2 if branch else 0 for at, branch in enumerate(inner)],
        target_treeids=[0] * len(leaves), target_nodeids=leaves, target_ids=[0] * len(leaves),
        target_weights=[1.0] * len(leaves),
    )  # fmt: skip
    return source([made])


def carried(count: int) -> Source:
    """A Loop without end that hands on so many values."""
    states = [f"s{number}" for number in range(count)]
    inputs: dict[str, Any] = {"i": ((), "int64"), "c": ((), "bool")} | dict.fromkeys(states, ((1, 4), "float32"))
    nodes = [node("Identity", "c", "on"), *(node("Neg", name, f"{name}.next") for name in states)]
    body = graph_of(nodes, inputs, " ".join(["on", *(f"{name}.next" for name in states)]))
    outputs = " ".join(f"y{number}" for number in range(count))
    loop = node("Loop", " ".join(["n", "-", *["x"] * count]), outputs, body=body)
    return source([loop], TOO_LONG, outputs, constants={"n": np.array(1 << 40)})


BOMBS: dict[str, Source] = {
    "calls in calls": calls_in_calls(17, 2, [node("Neg", "a", "b")]),
    "calls in calls of many nodes that nothing reads": calls_in_calls(
        3, 100, [node("Neg", "a", "b"), *(node("Abs", "a", f"u{number}") for number in range(100))]
    ),
    "calls of calls of calls": calls_in_calls(5, 20, [node("Identity", "a", "b")]),
    "a constant of 1 MB in 2000 calls": constants_in_calls(node("Constant", "", "c", value=MEGABYTE), 2000),
    "a sparse constant of 256 MB in 100 calls": constants_in_calls(
        node("Constant", "", "c", sparse_value=sparse("s")), 100
    ),
    "an attribute of 1 MB handed to 200 calls": handed_down(200),
    "a name of a million before 5000 nodes": source(
        called("F", 1, "x", "y", name=LONG), functions=[function("F", in_turn(5000))]
    ),
    "names of a million in 1000 calls": source(
        called("F", 1000, "x", "y"), NAMES, functions=[function("F", [node("Neg", "a", LONG), node("Abs", LONG, "b")])]
    ),
    "an operator of a million letters": source([node(LONG, "x", "y")], "1 operator is not supported"),
    "a missing value of a million letters": source([node("Relu", LONG, "y")], "reads 'n.* which nothing produces"),
    "names of a million of what is refused": source(
        [node(f"Q{at}", "x", f"y{at}", name=LONG) for at in range(8)], "8 operators are not supported",
        " ".join(f"y{at}" for at in range(8)),
    ),
    "an output 20 000 times": source([node("Relu", "x", "y")], "listed twice", " ".join(["y"] * 20_000)),
    "sparse constants of 256 MB": source(
        [node("Sum", "x s0 s1 s2 s3", "y")], "the sparse tensors take too much",
        sparse=[sparse(f"s{at}") for at in range(4)],
    ),
    "500 constants of the same bytes of a file": beside(500, 0),
    "500 constants of bytes that overlap": beside(500, 4, "overlap in 'weights.bin'"),
    "2000 readers of one value": source(
        [*readers(2000), node("Concat", " ".join(f"t{at}" for at in range(2000)), "y", axis=0)]
    ),
    "a million new dimensions": source(
        [node("Unsqueeze", "x axes", "y")], "Unsqueeze 'y': axes",
        constants={"axes": np.ones(1_000_000, np.int64)},
    ),
    "a sequence of 4096 parts made 100 times": source(
        [*(made for at in range(100) for made in (
            node("SplitToSequence", f"t{at}" if at else "x", f"q{at}", axis=0),
            node("ConcatFromSequence", f"q{at}", f"t{at + 1}", axis=0),
        )), node("Neg", "t100", "y")],
        inputs={"x": ((4096, 4), "float32")},
    ),
    "a million operator sets": Source(
        lambda folder: helper.make_model(
            graph_of([node("Relu", "x", "y")], {"x": ((1, 4), "float32")}, "y"),
            opset_imports=[helper.make_opsetid("q", 1)] * 1_000_000,
        ),
        "imports 1000000 operator sets",
    ),
    "a grid of 2^62 places": source(
        [node("AffineGrid", "x size", "y")], "places are more than", inputs={"x": ((1, 2, 3), "float32")},
        constants={"size": np.array([1, 1, 1 << 31, 1 << 31])},
    ),
    "3000 fused in a row": source(
        [*(node("Identity", f"t{at}" if at else "x", f"t{at + 1}") for at in range(3000)), node("Neg", "t3000", "y")]
    ),
    "labels as Python writes them": labelled("[" + "'a'," * 500_000 + "]"),
    "labels in lists in lists": labelled("[" * 200_000),
    "comparisons of a long text": of_text("Equal", 3000, TOO_LONG, other=True),
    "numbers that are long texts": of_text("Cast", 1000, TOO_LONG, to=1),
    "patterns with many ways": of_text(
        "RegexFullMatch", 400, TOO_LONG, np.array(["a" * 50_000], object), pattern="(a*)*" * 5 + "b"
    ),
    "words of a long text": of_text("StringSplit", 1, "more than .* parts", np.array(["a " * (9 << 20)], object)),
    "a deep tree of 100 001 nodes": tree(100_001),
    "a loop that hands on 3000 values": carried(3000),
}  # fmt: skip


@pytest.mark.parametrize("name", BOMBS)
def test_a_source_runs_or_is_refused(name: str, tmp_path: Path) -> None:
    bomb = BOMBS[name]
    path = tmp_path / "bomb.onnx"
    path.write_bytes(bomb.make(tmp_path).SerializeToString())
    check_source(path, bomb.refused, bomb.feeds)
