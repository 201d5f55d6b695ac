"""A Transpose moves from an elementwise operator's inputs to its output, towards one that cancels it."""

from __future__ import annotations

from ...runtime.graph import Node
from .elementwise import BROADCASTING, UNARY
from .indexed import IndexedGraph
from .patch import Patch
from .permutation import Perm, inverse, operand, perm_of, sink, transpose, transposed_from
from .rewriter import rewrite_of

LOOK_AHEAD = 12


@rewrite_of(*UNARY, "Clip", "CastLike")
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


@rewrite_of(*BROADCASTING)
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
        permuted_name = operand(patch, name, perm)
        if permuted_name is None:
            if graph.rank(name) != len(perm) or not cancelled(graph, node.outputs[0], perm):
                return None
            permuted_name = transpose(patch, name, inverse(perm))
        inputs.append(permuted_name)
    return sink(patch, node.op, inputs, dict(node.attrs), node.outputs[0], perm)


def cancelled(graph: IndexedGraph, name: str, perm: Perm, depth: int = 0) -> bool:
    """Whether every reader is a Transpose that undoes perm, if need be behind elementwise operators."""
    readers = graph.consumers(name)
    if not readers or graph.pinned(name) or depth > LOOK_AHEAD:
        return False
    for reader in readers:
        if reader.op == "Transpose":
            if perm_of(graph, reader) != inverse(perm):
                return False
        elif reader.op not in UNARY or not cancelled(graph, reader.outputs[0], perm, depth + 1):
            return False
    return True
