"""Nodes whose inputs are all constants are computed at conversion, unless that would make the file larger."""

from __future__ import annotations

from math import prod

from ...runtime.boxed import is_boxed
from ...runtime.graph import Node, subgraphs
from ...runtime.ops.registry import find
from .framework.constants import concrete, evaluate_node
from .framework.indexed import IndexedGraph
from .framework.patch import Patch
from .framework.rewriter import rewrite_of
from .remove_identity import bypass

GROWTH = 16 * 1024
"""Bytes by which a folded result may exceed what it is computed from."""

SMALL = 64
"""Elements up to which compactly stored weights are made larger nonetheless, rather than at load time."""


@rewrite_of()
def fold_constants(graph: IndexedGraph, node: Node) -> Patch | None:
    names = [name for name in node.inputs if name]
    if not names or any(graph.constant(name) is None for name in names):
        return None
    dtypes = [graph.dtype(name) for name in (*names, *filter(None, node.outputs))]
    if any(dtype is not None and is_boxed(dtype) for dtype in dtypes):
        return None  # text that a few nodes make of a constant may be of any length
    if find(node.op) is None or subgraphs(node) or not _worthwhile(graph, node, names):
        return None
    return _folded(graph, node)


@rewrite_of("DequantizeLinear")
def fold_small_dequantize(graph: IndexedGraph, node: Node) -> Patch | None:
    """Kept apart, as before integers are dealt with a constant's scale is still needed."""
    shape = concrete(graph.shape(node.outputs[0]))
    if shape is None or prod(shape) > SMALL or any(graph.constant(name) is None for name in node.inputs if name):
        return None
    return _folded(graph, node)


def _folded(graph: IndexedGraph, node: Node) -> Patch | None:
    if node.op == "Identity":
        return bypass(graph, node)
    arrays = [graph.constant(name) if name else None for name in node.inputs]
    results = evaluate_node(graph, node, arrays, _growth(graph, node))
    if results is None:
        return None
    patch = Patch(graph, [node])
    for name, data in zip(node.outputs, results, strict=False):
        if name:
            patch.replace[name] = patch.constant(name, data, graph.quant(name))
    return patch


def _growth(graph: IndexedGraph, node: Node) -> int:
    """Bytes of the results, whose shapes are known, beyond those of the constants that they are computed from."""
    values = [graph.value(name) for name in node.outputs if name]
    written = sum(prod(concrete(v.shape) or (0,)) * v.dtype.itemsize for v in values if v is not None)
    return written - sum(data.nbytes for name in node.inputs if name and (data := graph.constant(name)) is not None)


def _worthwhile(graph: IndexedGraph, node: Node, names: list[str]) -> bool:
    sources = [data.nbytes for name in names if (data := graph.constant(name)) is not None]
    op = find(node.op)
    total = 0
    for name in filter(None, node.outputs):
        shape, dtype = concrete(graph.shape(name)), graph.dtype(name)
        if shape is None or dtype is None:
            return False
        small = node.op == "Cast" and prod(shape) <= SMALL
        if op is not None and op.decompresses and not small and dtype.itemsize * prod(shape) > sources[0]:
            return False
        total += prod(shape) * dtype.itemsize
    return total <= sum(sources) + GROWTH
