"""instantiate and fold_constants: concrete shapes, folding, dead nodes, and what they refuse."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from millijoule.runtime.errors import InputError, ModelError
from millijoule.runtime.evaluate import budget
from millijoule.runtime.evaluate.shapes import fold_constants, instantiate
from millijoule.runtime.graph import Dim, Graph, Node, Quantization, Value
from millijoule.runtime.ops.registry import Tensor

F32 = np.dtype(np.float32)


def graph_of(
    nodes: Sequence[Node],
    outputs: Sequence[str] = ("y",),
    inputs: dict[str, tuple[Dim, ...] | None] | None = None,
    constants: dict[str, np.ndarray] | None = None,
    **more: np.ndarray,
) -> Graph:
    graph = Graph(nodes=list(nodes), inputs=list(inputs or {"x": ("N", 4)}), outputs=list(outputs))
    for name, shape in (inputs or {"x": ("N", 4)}).items():
        graph.add_value(Value(name, F32, shape))
    for name, data in {**(constants or {}), **more}.items():
        graph.add_constant(name, data)
    return graph


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


def flattening() -> Graph:
    """Reshapes x to (its first dimension, the rest) the way exporters write it, beside a node that nothing needs."""
    nodes = [
        Node("Shape", ["x"], ["shape"]),
        Node("Gather", ["shape", "zero"], ["batch"], {"axis": 0}),
        Node("Concat", ["batch", "rest"], ["target"], {"axis": 0}),
        Node("Transpose", ["x"], ["unused"]),
        Node("Reshape", ["x", "target"], ["y"]),
    ]
    return graph_of(nodes, inputs={"x": ("N", 2, "W")}, zero=ints(0), rest=ints(-1))


def test_shapes_follow_the_inputs_and_shape_arithmetic_is_folded() -> None:
    for batch, width in ((1, 5), (3, 2)):
        instance = instantiate(flattening(), {"x": (batch, 2, width)})
        assert [step.node.op for step in instance.steps] == ["Reshape"]
        assert instance.tensors["y"].shape == (batch, 2 * width)
        assert instance.symbols == {"N": batch, "W": width}
        assert instance.tensors["target"].data is not None
        assert instance.tensors["target"].data.tolist() == [batch, -1]
        assert set(instance.tensors) == {"x", "target", "y"}


def test_contexts_share_the_tensors() -> None:
    instance = instantiate(flattening(), {"x": (2, 2, 2)})
    step = instance.steps[0]
    assert step.ctx.inputs[0] is instance.tensors["x"]
    assert step.ctx.outputs[0] is instance.tensors["y"]
    assert step.ctx.attrs == {"allowzero": 0}


def test_kept_values_survive() -> None:
    instance = instantiate(flattening(), {"x": (2, 2, 3)}, keep=["unused", "batch"])
    assert [step.node.op for step in instance.steps] == ["Transpose", "Reshape"]
    assert instance.tensors["unused"].shape == (3, 2, 2)
    assert instance.tensors["batch"].data is not None
    with pytest.raises(ModelError, match="'nothing' is not computed"):
        instantiate(flattening(), {"x": (2, 2, 3)}, keep=["nothing"])


def test_half_precision_weights_are_folded_and_their_source_forgotten() -> None:
    nodes = [Node("Cast", ["w16"], ["w"], {"to": "float32"}), Node("Concat", ["x", "w"], ["y"], {"axis": 0})]
    instance = instantiate(graph_of(nodes, w16=np.ones((2, 4), np.float16)), {"x": (1, 4)})
    assert [step.node.op for step in instance.steps] == ["Concat"]
    weights = instance.tensors["w"].data
    assert weights is not None and weights.dtype == np.float32
    assert "w16" not in instance.tensors


def test_an_output_may_be_a_constant_or_an_input() -> None:
    graph = graph_of([Node("Not", ["c"], ["y"])], outputs=["y", "x", "c"], c=np.array([True, False]))
    instance = instantiate(graph, {"x": (1, 4)})
    assert instance.steps == []
    assert set(instance.tensors) == {"x", "y", "c"}
    assert instance.tensors["y"].data is not None and instance.tensors["y"].data.tolist() == [False, True]


def test_folding_stops_where_constants_would_grow_too_much(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(budget, "GROWTH", 1000)
    nodes = [
        Node("Expand", ["c", "small"], ["a"]),
        Node("Expand", ["c", "large"], ["b"]),
        Node("Expand", ["c", "small"], ["d"]),
    ]
    constants = {"c": np.ones(1, np.float32), "small": ints(150), "large": ints(500)}
    instance = instantiate(graph_of(nodes, outputs=["a", "b", "d"], constants=constants), {"x": (1, 4)})
    assert [step.node.outputs for step in instance.steps] == [["b"], ["d"]]
    expanded = instance.tensors["a"].data
    assert expanded is not None and expanded.flags.c_contiguous and expanded.strides == (4,)

    cast = graph_of([Node("Cast", ["c"], ["y"], {"to": "float32"})], c=np.ones(4000, np.float16))
    assert instantiate(cast, {"x": (1, 4)}).steps == []


def test_what_one_constant_makes_does_not_make_room_for_more(monkeypatch: pytest.MonkeyPatch) -> None:
    """A node that reads one constant twice, and nodes that all read the same."""
    monkeypatch.setattr(budget, "GROWTH", 1000)
    doubled = [Node("Concat", [f"t{i}" if i else "a"] * 2, [f"t{i + 1}"], {"axis": 0}) for i in range(8)]
    kept = fold_constants(graph_of(doubled, ["t8"], a=np.ones(10, np.float32)))
    assert kept.constant_bytes() <= 1000 + 2 * 40
    turned = [Node("Neg", ["a"], [f"t{i}"]) for i in range(40)]
    kept = fold_constants(graph_of(turned, [f"t{i}" for i in range(40)], a=np.ones(10, np.float32)))
    assert kept.constant_bytes() <= 1000 + 3 * 40


def test_zero_sized_tensors_pass() -> None:
    nodes = [Node("Concat", ["x", "x"], ["two"], {"axis": 1}), Node("ReduceSum", ["two", "axes"], ["y"])]
    instance = instantiate(graph_of(nodes, axes=ints(0)), {"x": (0, 4)})
    assert instance.tensors["two"].shape == (0, 8)
    assert instance.tensors["y"].shape == (1, 8)


def test_quantization_comes_from_the_graph() -> None:
    graph = graph_of([Node("Identity", ["q"], ["y"])], inputs={})
    graph.inputs = ["q"]
    quant = Quantization.per_tensor(0.5, 3)
    graph.add_value(Value("q", np.dtype(np.int8), (2,), quant))
    graph.add_value(Value("y", np.dtype(np.int8), None, quant))
    instance = instantiate(graph, {})
    assert instance.tensors["y"].quant == quant
    graph.values["y"].quant = Quantization(np.ones(3, np.float32), np.zeros(3, np.int32), 0)
    with pytest.raises(ModelError, match="needs 2 scales, not 3"):
        instantiate(graph, {})


@pytest.mark.parametrize(
    ("shapes", "problem"),
    [
        ({}, r"shape of input 'x' must be given: it is \(N, 4\)"),
        ({"x": (1, 5)}, r"takes shape \(N, 4\), not \(1, 5\)"),
        ({"x": (4,)}, r"takes shape \(N, 4\), not \(4,\)"),
        ({"x": (-1, 4)}, "negative dimension"),
        ({"x": (2**30, 4)}, "2 GiB or more"),
        ({"x": (1.5, 4)}, "is no shape for input 'x'"),
        ({"x": (2, 4), "z": (1,)}, "there is no input 'z'; the inputs are x"),
    ],
)
def test_input_shapes_that_do_not_fit(shapes: dict, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        instantiate(graph_of([Node("Identity", ["x"], ["y"])]), shapes)


def test_a_symbol_has_one_size() -> None:
    graph = graph_of([Node("Identity", ["x"], ["y"])], inputs={"x": ("N", 2), "m": ("N",)})
    assert instantiate(graph, {"x": (3, 2), "m": (3,)}).symbols == {"N": 3}
    with pytest.raises(InputError, match=r"'m' takes shape \(N\), not \(4,\); N is 3"):
        instantiate(graph, {"x": (3, 2), "m": (4,)})
    graph.add_value(Value("y", F32, (2, "N")))
    with pytest.raises(ModelError, match=r"Identity 'y': gives shape \(3, 2\), but 'y' is declared \(2, N\)"):
        instantiate(graph, {"x": (3, 2), "m": (3,)})
    graph.add_value(Value("y", F32, ("elsewhere", 2)))
    assert instantiate(graph, {"x": (3, 2), "m": (3,)}).tensors["y"].shape == (3, 2)


def test_declared_dtypes_are_checked() -> None:
    graph = graph_of([Node("Identity", ["x"], ["y"], name="copy")])
    graph.add_value(Value("y", np.dtype(np.int32)))
    with pytest.raises(ModelError, match="Identity 'copy': gives float32, but 'y' is declared int32"):
        instantiate(graph, {"x": (1, 4)})


@pytest.mark.parametrize(
    ("nodes", "problem"),
    [
        ([Node("Identity", ["later"], ["y"]), Node("Identity", ["x"], ["later"])], "'later' is not computed by any"),
        ([Node("Identity", ["x"], ["y"]), Node("Identity", ["x"], ["y"])], "value 'y' exists already"),
        ([Node("Identity", ["x"], ["x"])], "value 'x' exists already"),
        ([Node("Identity", ["x"], ["y", "z"])], "has 2 outputs, but Identity gives 1"),
        ([Node("Identity", ["x", "x"], ["y"])], "has 2 inputs, but Identity takes 1"),
        ([Node("Identity", [""], ["y"])], "input 0 is missing"),
        ([Node("Identity", ["x"], ["y"], {"axis": 1})], "unknown attribute 'axis'"),
        ([Node("Flatten", ["x"], ["y"], {"axis": "1"})], "attribute 'axis' must be int, not '1'"),
        ([Node("Flatten", ["x"], ["y"], {"axis": 2**64})], "attribute 'axis' must be int"),
        ([Node("Transpose", ["x"], ["y"], {"perm": [1, 0.5]})], "attribute 'perm' must be"),
        ([Node("NonZero", ["x"], ["y"])], "its output's shape depends on run-time data"),
        ([Node("Expand", ["x", "x"], ["y"])], "must be a constant, so that shapes are known"),
        ([Node("Gather", ["c", "far"], ["y"])], "Gather 'y': cannot be computed.*index 9 is out of range"),
        ([Node("Identity", ["x"], ["z"])], "output 'y' is not computed"),
    ],
)
def test_bad_graphs_are_refused_naming_the_node(nodes: list[Node], problem: str) -> None:
    graph = graph_of(nodes, c=np.ones(3, np.float32), far=ints(9))
    with pytest.raises(ModelError, match=problem):
        instantiate(graph, {"x": (1, 4)})


def test_one_error_lists_all_unknown_operators() -> None:
    inner = Graph(nodes=[Node("Deeper", [], ["d"])], outputs=["d"])
    nodes = [Node("Warp", ["x"], ["a"], name="first"), Node("Fold", ["a"], ["y"], {"body": inner})]
    with pytest.raises(ModelError, match="3 nodes") as caught:
        instantiate(graph_of(nodes), {"x": (1, 4)})
    assert all(named in str(caught.value) for named in ("Warp 'first'", "Fold 'y'", "Deeper 'd'"))


def test_a_subgraph_sees_the_values_around_it() -> None:
    graph = Graph(nodes=[Node("Concat", ["c", "around"], ["y"], {"axis": 0})], outputs=["y"])
    graph.add_constant("c", np.ones(2, np.float32))
    outer = {"around": Tensor("around", (3,), F32)}
    instance = instantiate(graph, {}, outer=outer)
    assert instance.tensors["y"].shape == (5,)
    assert instance.tensors["around"] is outer["around"]


def test_constants_are_folded_once_for_all_shapes() -> None:
    nodes = [
        Node("Cast", ["w16"], ["w"], {"to": "float32"}),
        Node("Transpose", ["w"], ["wt"]),
        Node("Concat", ["x", "wt"], ["y"], {"axis": 0}),
        Node("Not", ["flag"], ["also"]),
    ]
    constants = {"w16": np.arange(8, dtype=np.float16).reshape(4, 2), "flag": np.array([True])}
    graph = graph_of(nodes, outputs=["y", "also"], constants=constants)
    folded = fold_constants(graph)
    assert [node.op for node in folded.nodes] == ["Concat"]
    assert set(folded.values) == {"x", "wt", "also"}
    assert [node.op for node in graph.nodes] == ["Cast", "Transpose", "Concat", "Not"]
    first, second = (instantiate(folded, {"x": (batch, 4)}) for batch in (1, 2))
    assert first.tensors["wt"].data is second.tensors["wt"].data
    np.testing.assert_array_equal(first.tensors["wt"].data, constants["w16"].T.astype(np.float32))
    direct = instantiate(graph, {"x": (2, 4)})
    assert {name: tensor.shape for name, tensor in direct.tensors.items()} == {
        name: tensor.shape for name, tensor in second.tensors.items()
    }
