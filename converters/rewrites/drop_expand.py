"""Expand before an operator that broadcasts anyway is left out."""

from __future__ import annotations

from ...runtime.graph import Node
from .framework.indexed import IndexedGraph
from .framework.patch import Patch
from .framework.rewriter import rewrite_of


@rewrite_of(where=lambda op: op.broadcasts and not op.keeps_shape)
def drop_expand(graph: IndexedGraph, node: Node) -> Patch | None:
    """Where another operand alone has the shape of the result, so that this is not lost."""
    shape = graph.shape(node.outputs[0])
    for index, name in enumerate(node.inputs):
        expand = graph.producer_of(name, "Expand")
        others = [other for place, other in enumerate(node.inputs) if place != index]
        if expand is None or shape is None or all(graph.shape(other) != shape for other in others):
            continue
        patch, inputs = Patch(graph, [node]), list(node.inputs)
        inputs[index] = expand.inputs[0]
        patch.add.append(Node(node.op, inputs, list(node.outputs), dict(node.attrs), node.name))
        return patch
    return None
