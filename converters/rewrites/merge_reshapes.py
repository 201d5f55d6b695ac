"""Consecutive Reshapes become one."""

from __future__ import annotations

from ...runtime.graph import Node
from .framework.indexed import IndexedGraph
from .framework.patch import Patch
from .framework.reshape_target import target_for
from .framework.rewriter import rewrite_of


@rewrite_of("Reshape")
def merge_reshapes(graph: IndexedGraph, node: Node) -> Patch | None:
    inner = graph.producer_of(node.inputs[0], "Reshape")
    if inner is None:
        return None
    before, after = graph.shape(inner.inputs[0]), graph.shape(node.outputs[0])
    target = None if before is None or after is None else target_for(before, after)
    if target is None:
        return None
    patch = Patch(graph, [node])
    shape = patch.ints(f"{node.outputs[0]}.shape", target)
    patch.node("Reshape", [inner.inputs[0], shape], output=node.outputs[0])
    return patch
