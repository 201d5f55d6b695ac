"""A Transpose moves from an elementwise operator's inputs to its output, towards one that cancels it."""

from __future__ import annotations

from ...runtime.graph import Node
from .framework.indexed import IndexedGraph
from .framework.patch import Patch
from .framework.permutation import operand, sink, transposed_from, transposed_operand
from .framework.rewriter import rewrite_of


@rewrite_of(where=lambda op: op.elementwise)
def sink_transpose_below_unary(graph: IndexedGraph, node: Node) -> Patch | None:
    source = transposed_from(graph, node.inputs[0])
    if source is None or any(name and graph.rank(name) != 0 for name in node.inputs[1:]):
        return None
    inputs = [source[0], *node.inputs[1:]]
    return sink(Patch(graph, [node]), node.op, inputs, dict(node.attrs), node.outputs[0], source[1])


@rewrite_of("QuantizeLinear", "DequantizeLinear")
def sink_transpose_below_quantizers(graph: IndexedGraph, node: Node) -> Patch | None:
    source, rank = transposed_from(graph, node.inputs[0]), graph.rank(node.inputs[1])
    if source is None or rank not in (0, 1) or node.attrs.get("block_size"):
        return None
    x, perm = source
    attrs = dict(node.attrs)
    if rank == 1:
        attrs["axis"] = perm[attrs.get("axis", 1) % len(perm)]
    return sink(Patch(graph, [node]), node.op, [x, *node.inputs[1:]], attrs, node.outputs[0], perm)


@rewrite_of(where=lambda op: op.broadcasts)
def sink_transpose_below_broadcasting(graph: IndexedGraph, node: Node) -> Patch | None:
    """All operands must lie behind the same Transpose, or be constants, or need no Transpose to be permuted.

    Others get the inverse Transpose only where what follows cancels the one that moves, so that the number falls.
    """
    found = next(filter(None, (transposed_from(graph, name) for name in node.inputs)), None)
    if found is None or graph.rank(node.outputs[0]) != len(found[1]):
        return None
    perm = found[1]
    patch = Patch(graph, [node])
    inputs = []
    for name in node.inputs:
        moved = operand(patch, name, perm) or transposed_operand(patch, node, name, perm)
        if moved is None:
            return None
        inputs.append(moved)
    return sink(patch, node.op, inputs, dict(node.attrs), node.outputs[0], perm)
