"""HardSigmoid and HardSwish in the forms in which exporters write them.

x / 6 + 1/2 for (x + 3) / 6 moves the gate, which lies between 0 and 1, by at most float32's smallest step below 1.
"""

from __future__ import annotations

import numpy as np

from ...runtime.graph import Node
from ...runtime.ops.rounding import normal
from .framework.indexed import IndexedGraph
from .framework.matching import close, factors, plus_scalar, times_scalar
from .framework.patch import Patch
from .framework.rewriter import rewrite_of


def _shifted_relu6(graph: IndexedGraph, name: str) -> str | None:
    """x where name is Relu6(x + 3)."""
    node = graph.producer_of(name, "Relu6")
    found = None if node is None else plus_scalar(graph, node.inputs[0])
    return found[0] if found is not None and found[1] == 3 and graph.is_float(name) else None


@rewrite_of("Div", "Mul")
def recognise_hard_sigmoid(graph: IndexedGraph, node: Node) -> Patch | None:
    """Relu6(x + 3) / 6."""
    found = times_scalar(graph, node.outputs[0])
    x = None if found is None else _shifted_relu6(graph, found[0])
    if (
        found is None
        or x is None
        or not close(found[1], 1 / 6)
        or graph.shape(found[0]) != graph.shape(node.outputs[0])
    ):
        return None
    patch = Patch(graph, [node])
    patch.node("HardSigmoid", [x], {"alpha": 1 / 6, "beta": 0.5}, output=node.outputs[0])
    return patch


@rewrite_of("Div", "Mul")
def recognise_hard_swish(graph: IndexedGraph, node: Node) -> Patch | None:
    """x * Relu6(x + 3) / 6 in any order, and x * HardSigmoid(x) with alpha 1/6 and beta 1/2."""
    result = node.outputs[0]
    if not graph.is_float(result):
        return None
    number, names = factors(graph, result, depth=3)
    if len(names) != 2 or any(graph.shape(name) != graph.shape(result) for name in names):
        return None
    for x, gate in (names, names[::-1]):
        whole = close(number, 1 / 6) and _shifted_relu6(graph, gate) == x
        sigmoid = graph.producer_of(gate, "HardSigmoid")
        if sigmoid is not None and sigmoid.inputs[0] == x and number == 1:
            whole = close(sigmoid.attrs.get("alpha", 0.2), 1 / 6) and close(sigmoid.attrs.get("beta", 0.5), 0.5)
        if whole:
            patch = Patch(graph, [node])
            patch.node("HardSwish", [x], output=result)
            return patch
    return None


@rewrite_of("Clip")
def recognise_clipped_line(graph: IndexedGraph, node: Node) -> Patch | None:
    """Clip(alpha * x + beta, 0, 1) is HardSigmoid."""
    if len(node.inputs) != 3 or [graph.scalar(name) if name else None for name in node.inputs[1:]] != [0, 1]:
        return None
    line = plus_scalar(graph, node.inputs[0])
    slope = None if line is None else times_scalar(graph, line[0])
    if line is None or slope is None or not graph.is_float(node.outputs[0]) or slope[1] <= 0:
        return None
    if not graph.shape(slope[0]) == graph.shape(node.outputs[0]) is not None:
        return None
    if not normal(np.array(slope[1]), np.dtype(np.float32)):
        return None
    patch = Patch(graph, [node])
    patch.node("HardSigmoid", [slope[0]], {"alpha": slope[1], "beta": line[1]}, output=node.outputs[0])
    return patch
