"""PRelu with the same slope everywhere is LeakyRelu."""

from __future__ import annotations

from ...runtime.graph import Node
from .framework.constants import evaluated, is_fixed
from .framework.indexed import IndexedGraph
from .framework.patch import Patch
from .framework.rewriter import rewrite_of


@rewrite_of("PRelu")
def prelu_to_leaky_relu(graph: IndexedGraph, node: Node) -> Patch | None:
    slope = evaluated(graph, node.inputs[1]) if is_fixed(graph, node.inputs[1]) else None
    if slope is None or not slope.size or (slope != slope.reshape(-1)[0]).any() or not graph.is_float(node.inputs[0]):
        return None
    patch = Patch(graph, [node])
    patch.node("LeakyRelu", [node.inputs[0]], {"alpha": float(slope.reshape(-1)[0])}, output=node.outputs[0])
    return patch
