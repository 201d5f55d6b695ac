"""Of two Transposes around a Reshape that keeps the first from passing, the second moves before it to merge with it."""

from __future__ import annotations

from ...runtime.graph import Node
from .framework.indexed import IndexedGraph
from .framework.patch import Patch
from .framework.permutation import inverse, perm_of, transpose
from .framework.reshape_target import target_for
from .framework.rewriter import rewrite_of
from .sink_transpose_reshape import reorder


@rewrite_of("Transpose")
def hoist_transpose_above_reshape(graph: IndexedGraph, node: Node) -> Patch | None:
    """Transpose(Reshape(y)) -> Reshape(Transpose(y)), where y is a Transpose: what a grouped channel shuffle needs."""
    reshape, outer = graph.producer_of(node.inputs[0], "Reshape"), perm_of(graph, node)
    if reshape is None or outer is None or not graph.only_feeds(node.inputs[0], node):
        return None
    y = reshape.inputs[0]
    before, after, result = graph.shape(y), graph.shape(node.inputs[0]), graph.shape(node.outputs[0])
    quant = graph.quant(node.outputs[0])
    if graph.producer_of(y, "Transpose") is None or before is None or after is None or result is None:
        return None
    if quant is not None and quant.axis is not None:
        return None
    moved = reorder(after, before, inverse(outer))
    target = None if moved is None else target_for(moved[0], result)
    if moved is None or target is None:
        return None
    patch = Patch(graph, [node])
    inner = transpose(patch, y, inverse(moved[1]))
    patch.node("Reshape", [inner, patch.ints(f"{node.outputs[0]}.shape", target)], output=node.outputs[0])
    return patch
