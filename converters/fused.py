"""Which tensors of a source no longer exist after the rewrites, and which node computes what they were needed for."""

from __future__ import annotations

from typing import NamedTuple

from ..runtime.engine.names import CHANNELS_LAST
from ..runtime.graph import Graph, outer_reads


class Link(NamedTuple):
    """What a node reads, and what it computes of that."""

    inputs: list[str]
    outputs: list[str]


def links(graph: Graph) -> list[Link]:
    return [Link([*node.inputs, *sorted(outer_reads(node))], list(node.outputs)) for node in graph.nodes]


def fused(before: list[Link], graph: Graph) -> dict[str, str]:
    """Tensor -> node: the nearest that is computed from it. before: of the graph as imported; graph: after the
    rewrites."""
    nearest = {}
    for node in graph.nodes:
        for output in node.outputs:
            parts = CHANNELS_LAST.fullmatch(output)
            nearest[parts[1] if parts else output] = node
    left = {output: link for link in before for output in link.outputs if output}
    known, queue = {*nearest, *graph.inputs}, list(nearest)
    for reached in queue:
        link = left.get(reached)
        if link is None:
            continue
        for output in link.outputs:
            left.pop(output, None)
        fresh = [name for name in dict.fromkeys(link.inputs) if name and name not in nearest]
        nearest |= dict.fromkeys(fresh, nearest[reached])
        queue += fresh
    return {name: str(nearest[name]) for name in queue if name not in known}
