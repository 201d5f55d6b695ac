"""Flatten, Squeeze, Unsqueeze, and Transposes that move only dimensions of size 1 are all Reshapes."""

from __future__ import annotations

from ...runtime.graph import Node
from .framework.indexed import IndexedGraph
from .framework.patch import Patch
from .framework.reshape_target import significant, target_for
from .framework.rewriter import rewrite_of


@rewrite_of("Flatten", "Squeeze", "Unsqueeze", "Transpose")
def to_reshape(graph: IndexedGraph, node: Node) -> Patch | None:
    before, after = graph.shape(node.inputs[0]), graph.shape(node.outputs[0])
    if before is None or after is None:
        return None
    if node.op == "Transpose" and not moves_only_ones(graph, node):
        return None
    target = target_for(before, after)
    if target is None:
        return None
    patch = Patch(graph, [node])
    patch.node("Reshape", [node.inputs[0], patch.ints(f"{node.outputs[0]}.shape", target)], output=node.outputs[0])
    return patch


def moves_only_ones(graph: IndexedGraph, node: Node) -> bool:
    """Whether the Transpose keeps the order of the dimensions other than 1. A dimension of unknown size is none of
    size 1."""
    before = graph.shape(node.inputs[0])
    if before is None:
        return False
    perm = node.attrs.get("perm") or list(range(len(before)))[::-1]
    kept = [axis for axis in perm if before[axis] != 1]
    return kept == sorted(kept) and len(kept) == len(significant(before))
