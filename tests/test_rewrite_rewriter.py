"""The engine: names, order, dead nodes, termination, and what it says of broken graphs."""

from __future__ import annotations

from copy import deepcopy

import numpy as np
import pytest
from rewriting import Sketch, apply, apply_all, assert_same, ops
from work import lines

from millijoule.converters.rewrites.framework.check import check
from millijoule.converters.rewrites.framework.indexed import LONGEST_NAME, IndexedGraph
from millijoule.converters.rewrites.framework.order import topological
from millijoule.converters.rewrites.framework.patch import Patch
from millijoule.converters.rewrites.framework.rewriter import EndlessWarning, Rewriter, rewrite_of
from millijoule.converters.rewrites.pipeline import rewrite
from millijoule.converters.rewrites.remove_identity import remove_identity
from millijoule.runtime.errors import ModelError
from millijoule.runtime.graph import Graph, Node, Value


@rewrite_of("Relu")
def relu_to_abs(graph: IndexedGraph, node: Node) -> Patch:
    patch = Patch(graph, [node])
    patch.node("Abs", node.inputs, output=node.outputs[0])
    return patch


@rewrite_of("Abs")
def abs_to_relu(graph: IndexedGraph, node: Node) -> Patch:
    patch = Patch(graph, [node])
    patch.node("Relu", node.inputs, output=node.outputs[0])
    return patch


def test_rewriting_that_never_ends_is_stopped_and_in_debug_said() -> None:
    sketch = Sketch()
    graph = sketch.output(sketch.node("Relu", sketch.input((2,))))
    indexed = IndexedGraph(deepcopy(graph))
    with pytest.warns(EndlessWarning, match="most of them by relu_to_abs, abs_to_relu; the model computes"):
        assert Rewriter(indexed).run([relu_to_abs, abs_to_relu]) >= 100
    with pytest.raises(RuntimeError, match="did not end"):
        apply(graph, relu_to_abs, abs_to_relu)


def test_names_do_not_grow_by_being_taken_again() -> None:
    graph = IndexedGraph(Graph())
    name = "x"
    for _ in range(30):
        name = graph.unique(name)
        graph.graph.add_value(Value(name, np.dtype(np.float32)))
    assert name == "x.29" and len(graph.unique("y" * 5000)) == LONGEST_NAME
    assert graph.unique("conv.1") == "conv.1"


def test_an_output_replaced_by_a_computed_value_keeps_its_name() -> None:
    sketch = Sketch()
    x = sketch.node("Relu", sketch.input((2,)))
    y = sketch.node("Identity", x)
    z = sketch.node("Neg", x)
    graph = sketch.output(y, z)
    after = apply(graph, remove_identity)
    assert ops(after) == {"Relu": 1, "Neg": 1}
    assert_same(graph, after)


@pytest.mark.parametrize("kind", ["input", "constant", "output"])
def test_an_identity_that_a_public_name_needs_stays(kind: str) -> None:
    sketch = Sketch()
    x = sketch.input((2,))
    source = {"input": x, "constant": sketch.weights(2), "output": sketch.node("Relu", x)}[kind]
    graph = sketch.output(sketch.node("Identity", source), *([source] if kind == "output" else []))
    after = apply_all(graph)
    assert ops(after)["Identity"] == 1
    assert_same(graph, after)


def test_dead_nodes_and_unused_constants_go_and_inputs_stay() -> None:
    sketch = Sketch()
    x, unused = sketch.input((2,)), sketch.input((3,))
    sketch.node("Add", sketch.node("Neg", x), sketch.weights(2))
    graph = sketch.output(sketch.node("Abs", x))
    after = apply_all(graph)
    assert ops(after) == {"Abs": 1} and set(after.values) == {x, unused, *graph.outputs}


def test_a_node_without_outputs_is_an_effect_and_stays() -> None:
    sketch = Sketch()
    x = sketch.input((2,))
    graph = sketch.output(sketch.node("Abs", x))
    graph.nodes.append(Node("Print", [sketch.node("Neg", x)], []))
    indexed = IndexedGraph(graph)
    Rewriter(indexed).remove_dead()
    assert sorted(node.op for node in indexed.nodes.values()) == ["Abs", "Neg", "Print"]


def test_what_a_subgraph_reads_keeps_its_name_and_subgraphs_are_rewritten() -> None:
    then = Graph(outputs=["inner2"])
    for op, source, result in (
        ("Identity", "n1", "inner0"),
        ("Neg", "inner0", "inner1"),
        ("Identity", "inner1", "inner2"),
    ):
        then.nodes.append(Node(op, [source], [result]))
        then.add_value(Value(result, np.dtype(np.float32)))
    other = Graph(nodes=[Node("Abs", ["n1"], ["out"])], outputs=["out"])
    other.add_value(Value("out", np.dtype(np.float32)))

    sketch = Sketch()
    x, condition = sketch.input((2,)), sketch.input((), "bool")
    sketch.node("Identity", sketch.node("Relu", x))
    assert sketch.graph.nodes[-1].outputs == ["n1"]
    sketch.graph.nodes.append(Node("If", [condition], ["y"], {"then_branch": then, "else_branch": other}, "if"))
    sketch.graph.add_value(Value("y", np.dtype(np.float32)))
    graph = sketch.output("y")
    after = deepcopy(graph)
    applied = rewrite(after)
    assert [node.op for node in after.nodes] == ["Relu", "If"] and after.nodes[0].outputs == ["n1"]
    assert [node.op for node in after.nodes[1].attrs["then_branch"].nodes] == ["Neg"]
    assert applied["remove_identity"] == 3
    for value in (True, False):
        feeds = {x: np.array([-1, 2], np.float32), condition: np.array(value)}
        assert_same(graph, after, feeds=feeds)


def test_nodes_come_out_after_their_producers_and_near_where_they_were() -> None:
    nodes = [Node("Neg", ["b"], ["c"]), Node("Neg", ["x"], ["a"]), Node("Neg", ["a"], ["b"]), Node("Abs", ["x"], ["d"])]
    ordered = topological(nodes, nodes.index)
    assert [node.outputs[0] for node in ordered] == ["a", "b", "c", "d"]
    nodes[1].inputs[0] = "c"
    with pytest.raises(ModelError, match="depends on its own"):
        topological(nodes, nodes.index)


def test_broken_graphs_are_recognised() -> None:
    sketch = Sketch()
    graph = sketch.output(sketch.node("Relu", sketch.input((2,))))
    indexed = IndexedGraph(graph)
    check(indexed, "now")
    graph.nodes[0].inputs[0] = "nowhere"
    with pytest.raises(RuntimeError, match="'nowhere', which is not in values"):
        check(indexed, "now")


def test_attributes_that_do_not_fit_are_a_model_error() -> None:
    sketch = Sketch()
    x = sketch.input((2, "n", 3))
    graph = sketch.output(sketch.node("Transpose", x, dtype="float32", perm=[0, 1, 7]))
    with pytest.raises(ModelError, match="Transpose 'n0'"):
        rewrite(graph)


def long_network(blocks: int) -> Graph:
    """5 nodes a block, two of them transposes that cancel out."""
    sketch = Sketch()
    x = sketch.input((1, 4, 6, 6))
    weights = sketch.weights(4, 1, 1, 4)
    for _ in range(blocks):
        before = sketch.node("Transpose", x, perm=[0, 2, 3, 1])
        conv = sketch.node("Conv", before, weights)
        back = sketch.node("Transpose", conv, perm=[0, 3, 1, 2])
        x = sketch.node("Add", sketch.node("Relu", back), x)
    return sketch.output(x)


def test_work_grows_with_the_number_of_nodes_and_no_faster() -> None:
    small, large = long_network(45), long_network(180)
    assert len(large.nodes) == 900
    assert lines(lambda: rewrite(large)) < 5 * lines(lambda: rewrite(small))
    assert ops(large) == {"Transpose": 2, "Conv": 180, "Add": 180}
