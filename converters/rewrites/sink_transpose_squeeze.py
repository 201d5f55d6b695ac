"""A Transpose moves past Squeeze and Unsqueeze, where sizes are unknown that a Reshape would have to know."""

from __future__ import annotations

from ...runtime.graph import Node
from .framework.indexed import IndexedGraph
from .framework.patch import Patch
from .framework.permutation import sink, transposed_from
from .framework.rewriter import rewrite_of


@rewrite_of("Squeeze")
def sink_transpose_below_squeeze(graph: IndexedGraph, node: Node) -> Patch | None:
    source = transposed_from(graph, node.inputs[0])
    axes = graph.constant(node.inputs[1]) if len(node.inputs) > 1 else None
    if source is None or axes is None:
        return None
    x, perm = source
    gone = sorted(perm[int(axis) % len(perm)] for axis in axes.reshape(-1))
    kept = [axis for axis in range(len(perm)) if axis not in gone]
    after = tuple(kept.index(axis) for axis in perm if axis not in gone)
    patch = Patch(graph, [node])
    inputs = [x, patch.ints(f"{node.outputs[0]}.axes", gone)]
    return sink(patch, "Squeeze", inputs, {}, node.outputs[0], after)


@rewrite_of("Unsqueeze")
def sink_transpose_below_unsqueeze(graph: IndexedGraph, node: Node) -> Patch | None:
    """The new dimensions stay where they are, and the others are permuted between them."""
    source, axes = transposed_from(graph, node.inputs[0]), graph.constant(node.inputs[1])
    if source is None or axes is None:
        return None
    x, perm = source
    rank = len(perm) + axes.size
    new = {int(axis) % rank for axis in axes.reshape(-1)}
    old = [axis for axis in range(rank) if axis not in new]
    places = iter(perm)
    after = tuple(axis if axis in new else old[next(places)] for axis in range(rank))
    return sink(Patch(graph, [node]), "Unsqueeze", [x, node.inputs[1]], {}, node.outputs[0], after)
