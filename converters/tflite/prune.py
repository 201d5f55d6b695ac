"""Drops what no output needs: nodes, and values that no node is left to name."""

from __future__ import annotations

from ...runtime.graph import Graph


def prune(graph: Graph) -> None:
    """Changes the graph in place. Its inputs and outputs stay."""
    needed, kept = set(graph.outputs), []
    for node in reversed(graph.nodes):
        if needed.intersection(node.outputs):
            needed.update(node.inputs)
            kept.append(node)
    graph.nodes = kept[::-1]
    named = {name for node in kept for name in (*node.inputs, *node.outputs)} | {*graph.inputs, *graph.outputs}
    graph.values = {name: value for name, value in graph.values.items() if name in named}
