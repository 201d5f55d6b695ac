"""Clamps under the name of the activation that they are."""

from __future__ import annotations

from math import inf

import numpy as np

from ...runtime.graph import Node
from .framework.indexed import IndexedGraph
from .framework.patch import Patch
from .framework.rewriter import rewrite_of

NAMED = {(0.0, 6.0): "Relu6", (0.0, inf): "Relu", (-1.0, 1.0): "ReluN1To1"}
LARGEST = float(np.finfo(np.float32).max)


@rewrite_of("Clip")
def name_clip(graph: IndexedGraph, node: Node) -> Patch | None:
    """Clip of floats between 0 and 6 is Relu6, and so on. A bound at float32's limit is none."""
    if not graph.is_float(node.inputs[0]):
        return None
    low = _bound(graph, node, 1, -inf)
    high = _bound(graph, node, 2, inf)
    if low is None or high is None:
        return None
    name = NAMED.get((low, high))
    if name is None:
        return None
    patch = Patch(graph, [node])
    patch.node(name, [node.inputs[0]], output=node.outputs[0])
    return patch


def _bound(graph: IndexedGraph, node: Node, index: int, absent: float) -> float | None:
    if len(node.inputs) <= index or not node.inputs[index]:
        return absent
    bound = graph.scalar(node.inputs[index])
    return absent if bound is not None and abs(bound) >= LARGEST and bound * absent > 0 else bound


@rewrite_of("Min", "Max")
def clip_from_min_max(graph: IndexedGraph, node: Node) -> Patch | None:
    """Max(x, 0) is Relu, and Min(Relu(x), 6) is Relu6; scalars of other values make a Clip of one bound."""
    if len(node.inputs) != 2 or not graph.is_float(node.outputs[0]):
        return None
    for name, other in (node.inputs, node.inputs[::-1]):
        bound = graph.scalar(other)
        same = graph.shape(name) is not None and graph.shape(name) == graph.shape(node.outputs[0])
        if bound is None or not same or graph.constant(name) is not None:
            continue
        patch = Patch(graph, [node])
        if node.op == "Max" and bound == 0:
            patch.node("Relu", [name], output=node.outputs[0])
            return patch
        limit = other
        if graph.rank(other) != 0:
            limit = patch.constant(other, np.array(bound, graph.dtype(other)))
        inputs = [name, limit] if node.op == "Max" else [name, "", limit]
        patch.node("Clip", inputs, output=node.outputs[0])
        return patch
    return None


@rewrite_of("Clip", "Relu6", "Relu")
def merge_clips(graph: IndexedGraph, node: Node) -> Patch | None:
    """A clamp of a clamp that nothing else reads is one clamp."""
    inner = graph.producer_of(node.inputs[0], "Clip", "Relu", "Relu6")
    if inner is None or not graph.only_feeds(node.inputs[0], node) or not graph.is_float(node.outputs[0]):
        return None
    outer_range, inner_range = _range(graph, node), _range(graph, inner)
    if outer_range is None or inner_range is None:
        return None
    low = min(max(inner_range[0], outer_range[0]), outer_range[1])
    high = min(max(inner_range[1], outer_range[0]), outer_range[1])
    patch, dtype = Patch(graph, [node]), graph.dtype(node.outputs[0])
    if (low, high) in NAMED:
        patch.node(NAMED[low, high], [inner.inputs[0]], output=node.outputs[0])
        return patch
    bounds = [
        "" if abs(bound) == inf else patch.constant(f"{node.outputs[0]}.bound", np.array(bound, dtype))
        for bound in (low, high)
    ]
    patch.node("Clip", [inner.inputs[0], *bounds], output=node.outputs[0])
    return patch


def _range(graph: IndexedGraph, node: Node) -> tuple[float, float] | None:
    if node.op != "Clip":
        return (0.0, inf) if node.op == "Relu" else (0.0, 6.0)
    low, high = _bound(graph, node, 1, -inf), _bound(graph, node, 2, inf)
    return None if low is None or high is None or low > high else (low, high)
