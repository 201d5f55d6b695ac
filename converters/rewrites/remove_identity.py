"""Identity nodes disappear, unless a public name would be lost."""

from __future__ import annotations

from ...runtime.graph import Node
from .framework.indexed import IndexedGraph
from .framework.patch import Patch
from .framework.rewriter import rewrite_of


def bypass(graph: IndexedGraph, node: Node, source: str = "") -> Patch | None:
    """Without a node whose first output equals source (default: its first input).

    None where the output must stay and cannot take the source's place, as that is public, a constant or read by a
    subgraph.
    """
    source, result = source or node.inputs[0], node.outputs[0]
    if graph.pinned(result) and (graph.producer(source) is None or graph.pinned(source)):
        return None
    if graph.quant(source) != graph.quant(result) or graph.dtype(source) != graph.dtype(result):
        return None
    return Patch(graph, [node], replace={result: source})


@rewrite_of("Identity")
def remove_identity(graph: IndexedGraph, node: Node) -> Patch | None:
    return bypass(graph, node)
