"""What models and sessions show of themselves."""

from __future__ import annotations

import numpy as np
from session_models import node_graph
from small_model import small_model

from millijoule import Model, load
from millijoule.runtime.file.metadata import Metadata, Source
from millijoule.runtime.graph import Node
from millijoule.tools.models.facts import weight_bytes


def test_one_line() -> None:
    model = small_model()
    kib = sum(value.data.nbytes for value in model.graph.values.values() if value.data is not None) / 1024
    inside = "'pixels' float32 (N, 8, 8, 3) -> 'scores' float32 (N, 10), 'means' float32 (N, 8), 'table' float32"
    assert repr(model).startswith(f"<Model {model.metadata.source.name}: {inside}")
    assert repr(model).endswith(f"; {kib:.1f} KiB of weights>")
    with load(model, threads=1) as session:
        assert repr(session).startswith(
            f"<Session {model.metadata.source.name} on {session.target}, 1 thread: {inside}"
        )
    assert "(closed)" in repr(session)
    assert repr(model.graph) == f"<Graph 'small': {len(model.graph.nodes)} nodes, {len(model.graph.values)} values>"


def test_large_weights_and_many_outputs_stay_short() -> None:
    names = tuple(f"y{i}" for i in range(50))
    graph = node_graph(*(Node("Mul", ["x", "w"], [name]) for name in names), inputs={"x": (1,)}, outputs=names)
    graph.add_constant("w", np.ones(1 << 20, np.float32))
    text = repr(Model(graph))
    assert len(text) < 400 and "44 more; 4.0 MiB of weights" in text


def test_weights_of_graphs_within_nodes_count_and_shared_ones_once() -> None:
    shared, own = np.ones(1 << 18, np.float32), np.ones(1 << 17, np.float32)
    branches = []
    for name in ("then", "else"):
        branch = node_graph(Node("Add", ["w", "v"], [name]), inputs={}, outputs=(name,))
        branch.add_constant("w", shared)
        branch.add_constant("v", own.copy())
        branches.append(branch)
    node = Node("If", ["x"], ["y"], dict(zip(("then_branch", "else_branch"), branches, strict=True)))
    graph = node_graph(node, inputs={"x": ()})
    graph.add_constant("z", shared)
    assert "; 2.0 MiB of weights>" in repr(Model(graph))
    assert weight_bytes(graph) == {"float32": shared.nbytes + 2 * own.nbytes}


def test_a_table_for_notebooks() -> None:
    graph = node_graph(Node("Neg", ["x"], ["y"]), inputs={"x": (1,)})
    graph.nodes[0].inputs = graph.inputs = ["<x>"]
    graph.values["<x>"] = graph.values.pop("x")
    graph.values["<x>"].name = "<x>"
    model = Model(graph, Metadata(source=Source("a&b.onnx", "onnx")))
    for shown in (model._repr_html_(), load(model, threads=1, target="numpy")._repr_html_()):
        assert "a&amp;b.onnx" in shown and "&lt;x&gt;&#x27; float32 (1,)" in shown and "<x>" not in shown
    assert "<td>numpy</td>" in shown
