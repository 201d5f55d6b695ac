"""Which tensors of a source no longer exist after the rewrites, and which node computes what they were needed for."""

from __future__ import annotations

from ..runtime.engine.names import CHANNELS_LAST
from ..runtime.graph import Graph

Readers = dict[str, list[str]]
"""What is computed from each tensor."""


def readers(graph: Graph) -> Readers:
    return {name: [output for node in nodes for output in node.outputs] for name, nodes in graph.consumers().items()}


def fused(before: Readers, graph: Graph) -> dict[str, str]:
    """Tensor -> node. before: of the graph as imported; graph: after the rewrites."""
    made = {}
    for node in graph.nodes:
        for output in node.outputs:
            parts = CHANNELS_LAST.fullmatch(output)
            made[parts[1] if parts else output] = node
    found = {}
    for name in before.keys() - made.keys() - set(graph.inputs):
        step = next((made[reached] for reached in _downstream(before, name) if reached in made), None)
        if step is not None:
            found[name] = str(step)
    return found


def _downstream(before: Readers, name: str) -> list[str]:
    """Everything computed from a tensor, the nearest first."""
    seen = dict.fromkeys(before[name])
    for reached in (queue := list(seen)):
        fresh = [output for output in before.get(reached, []) if output not in seen]
        seen |= dict.fromkeys(fresh)
        queue += fresh
    return list(seen)
