"""Of two nodes that compute the same the second disappears."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...runtime.graph import Node, subgraphs
from ...runtime.ops.registry import find
from .framework.indexed import IndexedGraph
from .framework.patch import Patch
from .framework.rewriter import rewrite_of

BEGINNING = 16
"""Elements of lists and arrays that are looked at to tell nodes apart."""


@rewrite_of()
def merge_common_subexpressions(graph: IndexedGraph, node: Node) -> Patch | None:
    sources = [name for name in node.inputs if name and graph.constant(name) is None]
    if not sources or graph.read_once(sources[0]) or find(node.op) is None or subgraphs(node):
        return None  # what computes the same reads the same
    key = _key(graph, node)
    other = graph.alike.get(key)
    known = other is not None and graph.alive(other) and graph.position(other) <= graph.position(node)
    if other is None or other is node or not known or not _same(graph, node, other):
        graph.alike[key] = node
        return None
    if any(_stuck(graph, a, b) for a, b in zip(node.outputs, other.outputs, strict=True)):
        return None
    return Patch(graph, [node], replace={a: b for a, b in zip(node.outputs, other.outputs, strict=True) if a})


def _key(graph: IndexedGraph, node: Node) -> tuple[Any, ...]:
    """What nodes that compute the same have in common, so that a node is held against one of them and not against all
    that read what it reads."""
    attrs = tuple((name, _beginning(value)) for name, value in sorted(node.attrs.items()))
    return node.op, attrs, tuple(_source(graph, name) for name in node.inputs)


def _source(graph: IndexedGraph, name: str) -> Any:
    data = graph.constant(name) if name else None
    return name if data is None else _beginning(data)


def _beginning(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        return value.dtype.str, value.shape, b"" if value.dtype.hasobject else value.flat[:BEGINNING].tobytes()
    return (len(value), *map(repr, value[:BEGINNING])) if isinstance(value, list) else repr(value)


def _stuck(graph: IndexedGraph, kept: str, other: str) -> bool:
    """Whether both must keep their names, so that an Identity would be needed for nothing gained."""
    return graph.pinned(kept) and graph.pinned(other)


def _same(graph: IndexedGraph, a: Node, b: Node) -> bool:
    counts = len(a.inputs) == len(b.inputs) and len(a.outputs) == len(b.outputs)
    if a.op != b.op or not counts or not _equal(a.attrs, b.attrs):
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
