"""Reinterprets that lead back to where they came from, or to a public result."""

from __future__ import annotations

from ...runtime.graph import Node
from .framework.indexed import IndexedGraph
from .framework.patch import Patch
from .framework.rewriter import rewrite_of
from .remove_identity import bypass


@rewrite_of("Reinterpret")
def cancel_reinterpret(graph: IndexedGraph, node: Node) -> Patch | None:
    """Reinterpret(Reinterpret(x)) is x where it has x's meaning again."""
    inner = graph.producer_of(node.inputs[0], "Reinterpret")
    return None if inner is None else bypass(graph, node, inner.inputs[0])


@rewrite_of("Reinterpret")
def publish_quantized(graph: IndexedGraph, node: Node) -> Patch | None:
    """A public output of plain integers that are quantized ones says what they stand for, where nothing else reads it:
    the integers are the same. What a graph within a node gives means what the node's output does, and stays plain."""
    source, result = node.inputs[0], node.outputs[0]
    if graph.outer is not None or graph.quant(source) is None:
        return None
    if result not in graph.graph.outputs or graph.consumers(result, 1):
        return None
    if graph.producer(source) is None or graph.pinned(source):
        return None
    return Patch(graph, [node], replace={result: source})
