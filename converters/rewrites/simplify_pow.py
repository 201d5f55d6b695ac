"""Pow with the exponents for which there is something faster."""

from __future__ import annotations

from ...runtime.graph import Node
from .framework.indexed import IndexedGraph
from .framework.patch import Patch
from .framework.rewriter import rewrite_of


@rewrite_of("Pow")
def simplify_pow(graph: IndexedGraph, node: Node) -> Patch | None:
    """x ** 2 is x * x, x ** 0.5 is Sqrt and x ** -1 is Reciprocal (of floats, where the exponent broadcasts nothing).

    Sqrt differs from Pow for -inf and -0.0 only: NaN for inf and -0.0 for 0.0.
    """
    x, exponent = node.inputs[0], graph.scalar(node.inputs[1])
    shape = graph.shape(x)
    if not graph.is_float(x) or shape is None or shape != graph.shape(node.outputs[0]):
        return None
    patch = Patch(graph, [node])
    if exponent == 2:
        patch.node("Mul", [x, x], output=node.outputs[0])
    elif exponent == 0.5:
        patch.node("Sqrt", [x], output=node.outputs[0])
    elif exponent == -1:
        patch.node("Reciprocal", [x], output=node.outputs[0])
    else:
        return None
    return patch
