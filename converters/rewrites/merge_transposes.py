"""Consecutive Transposes become one, or none where they cancel."""

from __future__ import annotations

from ...runtime.graph import Node
from .indexed import IndexedGraph
from .patch import Patch
from .permutation import perm_of, transpose, transposed_from
from .rewriter import rewrite_of


@rewrite_of("Transpose")
def merge_transposes(graph: IndexedGraph, node: Node) -> Patch | None:
    inner, outer = transposed_from(graph, node.inputs[0]), perm_of(graph, node)
    if inner is None or outer is None:
        return None
    source, perm = inner
    merged = tuple(perm[axis] for axis in outer)
    patch, result = Patch(graph, [node]), node.outputs[0]
    cancels = merged == tuple(range(len(merged)))
    if cancels and (not graph.pinned(result) or (graph.producer(source) is not None and not graph.pinned(source))):
        patch.replace[result] = source
    else:
        transpose(patch, source, merged, result)
    return patch
