"""Graphs run in NumPy: order, subgraphs, quantization, errors; and whole models of the zoo against LiteRT."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from millijoule.runtime.errors import InputError, ModelError
from millijoule.runtime.evaluate.reference import run
from millijoule.runtime.graph import Graph, Node, Quantization, Value

FLOAT = np.dtype(np.float32)
X = np.arange(6, dtype=np.float32).reshape(2, 3)


def graph_of(*nodes: Node, inputs: tuple[str, ...] = ("x",), outputs: tuple[str, ...] = ("y",)) -> Graph:
    graph = Graph(nodes=list(nodes), inputs=list(inputs), outputs=list(outputs))
    for name in {*inputs, *outputs, *(out for node in nodes for out in node.outputs)}:
        graph.add_value(Value(name, FLOAT))
    return graph


def test_values_pass_from_node_to_node() -> None:
    graph = graph_of(Node("Mul", ["x", "x"], ["square"]), Node("Add", ["square", "one"], ["y"]))
    graph.add_constant("one", np.ones(3, np.float32))
    np.testing.assert_array_equal(run(graph, {"x": X})["y"], X * X + 1)
    found = run(graph, {"x": X}, outputs=["square", "y"])
    np.testing.assert_array_equal(found["square"], X * X)
    assert list(found) == ["square", "y"]


def test_a_fed_value_is_taken_as_given() -> None:
    graph = graph_of(Node("Mul", ["x", "x"], ["square"]), Node("Neg", ["square"], ["y"]))
    np.testing.assert_array_equal(run(graph, {"x": X, "square": X + 7})["y"], -(X + 7))


def test_computed_shapes_are_known_to_later_nodes() -> None:
    graph = graph_of(
        Node("Shape", ["x"], ["shape"]),
        Node("Gather", ["shape", "order"], ["swapped"], {"axis": 0}),
        Node("Reshape", ["x", "swapped"], ["y"]),
    )
    graph.values["shape"].dtype = graph.values["swapped"].dtype = np.dtype(np.int64)
    graph.add_constant("order", np.array([1, 0]))
    assert run(graph, {"x": X})["y"].shape == (3, 2)


def conditional() -> Graph:
    then = graph_of(Node("Neg", ["x"], ["minus"]), inputs=(), outputs=("minus",))
    other = graph_of(Node("Add", ["x", "two"], ["plus"]), inputs=(), outputs=("plus",))
    graph = graph_of(
        Node("If", ["flag"], ["y"], {"then_branch": then, "else_branch": other}), inputs=("x", "flag"), outputs=("y",)
    )
    graph.values["flag"].dtype = np.dtype(bool)
    graph.add_constant("two", np.float32(2).reshape(()))
    return graph


def test_branches_see_outer_values() -> None:
    graph = conditional()
    np.testing.assert_array_equal(run(graph, {"x": X, "flag": np.array(True)})["y"], -X)
    np.testing.assert_array_equal(run(graph, {"x": X, "flag": np.array(False)})["y"], X + 2)


def test_a_branch_may_hand_on_an_outer_value() -> None:
    graph = conditional()
    graph.nodes[0].attrs["then_branch"] = Graph(outputs=["x"])
    np.testing.assert_array_equal(run(graph, {"x": X, "flag": np.array(True)})["y"], X)


def test_data_movers_keep_stored_integers() -> None:
    graph = graph_of(Node("Transpose", ["x"], ["y"], {"perm": [1, 0]}))
    for name in ("x", "y"):
        graph.values[name] = Value(name, np.dtype(np.int8), quant=Quantization.per_tensor(0.1, 3))
    x = np.arange(-3, 3, dtype=np.int8).reshape(2, 3)
    np.testing.assert_array_equal(run(graph, {"x": x})["y"], x.T)
    graph.values["y"].quant = Quantization.per_tensor(0.2, 3)
    np.testing.assert_array_equal(run(graph, {"x": x})["y"], np.rint((x.T - 3) / 2) + 3)


@pytest.mark.parametrize(
    ("feeds", "words"), [({}, "no data for input 'x'"), ({"x": X, "z": X}, "'z' is no value of the graph")]
)
def test_bad_feeds_are_told(feeds: dict[str, Any], words: str) -> None:
    with pytest.raises(InputError, match=words):
        run(graph_of(Node("Neg", ["x"], ["y"])), feeds)


@pytest.mark.parametrize(
    ("node", "words"),
    [
        (Node("Nonsense", ["x"], ["y"], name="n1"), "Nonsense 'n1': this operator is not supported"),
        (Node("Neg", ["later"], ["y"], name="n1"), "Neg 'n1': input 'later' is not computed"),
        (Node("Shape", ["x"], ["y"], name="n1"), "Shape 'n1': gives int64, but 'y' is declared float32"),
        (Node("Neg", ["x"], ["z"]), "'y' is not computed by any node"),
        (Node("If", ["x"], ["y"], name="n1"), "If 'n1': attribute 'then_branch' is missing"),
    ],
)
def test_bad_graphs_are_told(node: Node, words: str) -> None:
    with pytest.raises(ModelError, match=words):
        run(graph_of(node), {"x": X})


def node_run(op: str, *arrays: np.ndarray, quant: Quantization | None = None, **attrs: Any) -> np.ndarray:
    """One node of arrays that are all of one dtype and scale, as its output is."""
    graph = Graph(inputs=[f"x{i}" for i in range(len(arrays))], outputs=["y"])
    for name in (*graph.inputs, "y"):
        graph.add_value(Value(name, arrays[0].dtype, None, quant))
    graph.nodes.append(Node(op, list(graph.inputs), ["y"], attrs))
    return run(graph, dict(zip(graph.inputs, arrays, strict=True)))["y"]


@pytest.mark.filterwarnings("error")
def test_what_has_no_elements_is_not_computed() -> None:
    one = np.ones(3, np.float32)
    assert node_run("InstanceNormalization", np.ones((1, 0, 4, 3), np.float32), one, one).shape == (1, 0, 4, 3)


def test_quantized_scalars_stay_scalars() -> None:
    found = node_run("Mul", np.array(3, np.int8), np.array(5, np.int8), quant=Quantization.per_tensor(0.5, 0))
    assert found.shape == () and found == 8


def test_integers_stay_integers_behind_an_activation() -> None:
    x = np.array([[[4], [9]]], np.uint64)
    wanted: list[tuple[str, dict[str, Any]]] = [("GlobalMaxPool", {}), ("MaxPool", {"kernel_shape": [2]})]
    for op, attrs in wanted:
        found = node_run(op, x, activation="LeakyRelu", activation_params=[0.5], **attrs)
        assert found.dtype == np.uint64 and found.tolist() == [[[9]]]


def test_a_transposed_convolution_of_no_channels() -> None:
    x, w = np.ones((1, 4, 4, 0), np.float32), np.ones((0, 2, 2, 3), np.float32)
    assert (node_run("ConvTranspose", x, w) == np.zeros((1, 5, 5, 3))).all()


def zoo(name: str) -> Path:
    folder = Path(os.environ.get("MILLIJOULE_ZOO", Path(__file__).parents[2] / "shared" / "zoo"))
    path = folder / name
    if not path.exists():
        pytest.skip(f"{path} is absent")
    return path


@pytest.mark.parametrize(
    ("name", "runs"), [("kws_int8", 25), ("vww_int8", 10), ("resnet8_int8", 10), ("mobilenet_v2_224_int8", 2)]
)
def test_integers_are_litert(name: str, runs: int) -> None:
    """Noise, flat noise and smooth ramps, so that outputs do not all saturate."""
    litert = pytest.importorskip("ai_edge_litert.interpreter")
    from millijoule.converters.tflite.convert import convert

    path = zoo(f"{name}.tflite")
    graph = convert(path).graph
    interpreter = litert.Interpreter(str(path), num_threads=1)
    interpreter.allocate_tensors()
    source, target = interpreter.get_input_details()[0], interpreter.get_output_details()[0]
    limits, rng = np.iinfo(source["dtype"]), np.random.default_rng(0)
    middle, seen = (limits.min + limits.max) / 2, set()
    for index in range(runs):
        noise = rng.normal(size=source["shape"])
        field = [noise * 90, noise * 20, np.cumsum(noise, axis=1) * 9][index % 3]
        x = np.clip(field + middle, limits.min, limits.max).astype(source["dtype"])
        interpreter.set_tensor(source["index"], x)
        interpreter.invoke()
        got = run(graph, {source["name"]: x})[target["name"]]
        np.testing.assert_array_equal(got, interpreter.get_tensor(target["index"]))
        seen.update(got.ravel().tolist())
    assert len(seen) > 3
