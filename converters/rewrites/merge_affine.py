"""Chains of additions of constants and multiplications by constants become one of each."""

from __future__ import annotations

import numpy as np

from ...runtime.graph import Node
from .framework.constants import evaluated, is_fixed
from .framework.indexed import IndexedGraph
from .framework.patch import Patch
from .framework.reassociation import distributed, merged_factor, merged_offset
from .framework.rewriter import rewrite_of

SMALL = 1024
"""Elements that a constant made of two smaller ones may have."""


@rewrite_of("Add", "Sub", "Mul", "Div")
def merge_affine(graph: IndexedGraph, node: Node) -> Patch | None:
    """(x + a) + b, (x * a) * b, and (x + a) * b -> x * b + a * b, so that sums come last and can become a bias.

    Only where `reassociation` proves that no digits are lost, where nothing else reads what lies between, and where the
    constant made of two is no larger than they are, or small.
    """
    outer = _with_constant(graph, node)
    if outer is None:
        return None
    inner_node = graph.producer_of(outer[0], "Add", "Sub", "Mul", "Div")
    if inner_node is None or not graph.only_feeds(outer[0], node):
        return None
    inner = _with_constant(graph, inner_node)
    if inner is None:
        return None
    x, a, b = inner[0], inner[1], outer[1]
    if (
        graph.rank(x) != graph.rank(node.outputs[0])
        or graph.rank(x) is None
        or max(a.ndim, b.ndim) > (graph.rank(x) or 0)
    ):
        return None
    if np.broadcast(a, b).size > max(a.size, b.size, SMALL):
        return None
    return _merged(graph, node, inner_node, x, a, b)


def _merged(graph: IndexedGraph, node: Node, inner: Node, x: str, a: np.ndarray, b: np.ndarray) -> Patch | None:
    added, scaled = inner.op in ("Add", "Sub"), node.op in ("Mul", "Div")
    patch, result, dtype = Patch(graph, [node]), node.outputs[0], graph.dtype(node.outputs[0])
    if dtype is None:
        return None
    if added != scaled:
        both = merged_offset(graph, x, a, b, dtype) if added else merged_factor(a, b, dtype)
        if both is None:
            return None
        patch.node("Add" if added else "Mul", [x, patch.constant(f"{result}.constant", both)], output=result)
        return patch
    moved = distributed(graph, x, a, b, dtype) if added else None
    if moved is None:
        return None
    product = patch.node("Mul", [x, patch.constant(f"{result}.factor", moved[0])], hint=f"{result}.scaled")
    patch.node("Add", [product, patch.constant(f"{result}.offset", moved[1])], output=result)
    return patch


def _with_constant(graph: IndexedGraph, node: Node) -> tuple[str, np.ndarray] | None:
    """(x, c) for the node as x + c or x * c, c in float64; None where it is neither."""
    if node.attrs.get("activation") is not None or not graph.is_float(node.outputs[0]):
        return None
    for x, name in (node.inputs, node.inputs[::-1]):
        data = evaluated(graph, name) if is_fixed(graph, name) else None
        if data is None or is_fixed(graph, x) or (node.op in ("Sub", "Div") and name != node.inputs[1]):
            continue
        wide = data.astype(np.float64)
        if node.op == "Div" and not wide.all():
            return None
        return x, {"Sub": -wide, "Div": 1 / wide if node.op == "Div" else wide}.get(node.op, wide)
    return None
