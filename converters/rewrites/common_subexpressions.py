"""Of two nodes that compute the same the second disappears."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...runtime.graph import Node, subgraphs
from ...runtime.ops.registry import find
from .framework.indexed import IndexedGraph
from .framework.patch import Patch
from .framework.rewriter import rewrite_of


@rewrite_of()
def merge_common_subexpressions(graph: IndexedGraph, node: Node) -> Patch | None:
    sources = [name for name in node.inputs if name and graph.constant(name) is None]
    if not sources or find(node.op) is None or subgraphs(node):
        return None
    for other in min((graph.consumers(name) for name in sources), key=len):
        earlier = other is not node and graph.position(other) <= graph.position(node)
        if earlier and other.op == node.op and _same(graph, node, other):
            if any(_stuck(graph, a, b) for a, b in zip(node.outputs, other.outputs, strict=True)):
                continue
            replaced = {a: b for a, b in zip(node.outputs, other.outputs, strict=True) if a}
            return Patch(graph, [node], replace=replaced)
    return None


def _stuck(graph: IndexedGraph, kept: str, other: str) -> bool:
    """Whether both must keep their names, so that an Identity would be needed for nothing gained."""
    return graph.pinned(kept) and graph.pinned(other)


def _same(graph: IndexedGraph, a: Node, b: Node) -> bool:
    if len(a.inputs) != len(b.inputs) or len(a.outputs) != len(b.outputs) or not _equal(a.attrs, b.attrs):
        return False
    if [bool(name) for name in a.outputs] != [bool(name) for name in b.outputs]:
        return False
    for x, y in zip(a.outputs, b.outputs, strict=True):
        if graph.dtype(x) != graph.dtype(y) or graph.quant(x) != graph.quant(y):
            return False
    return all(x == y or _equal_constants(graph, x, y) for x, y in zip(a.inputs, b.inputs, strict=True))


def _equal_constants(graph: IndexedGraph, x: str, y: str) -> bool:
    a, b = graph.constant(x), graph.constant(y)
    if a is None or b is None or a.dtype != b.dtype or a.shape != b.shape or graph.quant(x) != graph.quant(y):
        return False
    return a.tobytes() == b.tobytes() if a.dtype.kind == "f" else np.array_equal(a, b)


def _equal(a: Any, b: Any) -> bool:
    """Equality of attributes, which may be arrays."""
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_equal(a[key], b[key]) for key in a)
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return type(a) is type(b) and a.dtype == b.dtype and np.array_equal(a, b)
    return type(a) is type(b) and bool(a == b)
