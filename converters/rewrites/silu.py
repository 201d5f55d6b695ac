"""x * Sigmoid(x) is SiLU."""

from __future__ import annotations

from ...runtime.graph import Node
from .framework.indexed import IndexedGraph
from .framework.matching import operand_pairs
from .framework.patch import Patch
from .framework.rewriter import rewrite_of


@rewrite_of("Mul")
def recognise_silu(graph: IndexedGraph, node: Node) -> Patch | None:
    for x, gate in operand_pairs(node):
        sigmoid = graph.producer_of(gate, "Sigmoid")
        if sigmoid is not None and sigmoid.inputs[0] == x and graph.is_float(x) and not node.attrs.get("activation"):
            patch = Patch(graph, [node])
            patch.node("SiLU", [x], output=node.outputs[0])
            return patch
    return None
