"""Gelu written out: x * 0.5 * (1 + Erf(x / sqrt 2)), or with Tanh of sqrt(2/pi) * (x + 0.044715 x^3)."""

from __future__ import annotations

from math import pi, sqrt

from ...runtime.graph import Node
from .framework.indexed import IndexedGraph
from .framework.matching import close, factors, plus_scalar
from .framework.patch import Patch
from .framework.rewriter import rewrite_of

CUBE = 0.044715
LOOSE = 1e-3
"""Exporters round 0.044715 and sqrt(2/pi); float16 sources round them more."""


@rewrite_of("Mul", "Div")
def recognise_gelu(graph: IndexedGraph, node: Node) -> Patch | None:
    result = node.outputs[0]
    if not graph.is_float(result):
        return None
    number, names = factors(graph, result)
    if len(names) != 2 or not close(number, 0.5):
        return None
    for x, gate in (names, names[::-1]):
        one = plus_scalar(graph, gate)
        if one is None or one[1] != 1 or graph.shape(x) != graph.shape(result):
            continue
        erf, tanh = graph.producer_of(one[0], "Erf"), graph.producer_of(one[0], "Tanh")
        if erf is not None and _is_scaled(graph, erf.inputs[0], x, 1 / sqrt(2)):
            approximate = "none"
        elif tanh is not None and _is_cubic(graph, tanh.inputs[0], x):
            approximate = "tanh"
        else:
            continue
        patch = Patch(graph, [node])
        patch.node("Gelu", [x], {"approximate": approximate}, output=result)
        return patch
    return None


def _is_scaled(graph: IndexedGraph, name: str, x: str, factor: float) -> bool:
    number, names = factors(graph, name)
    return names == [x] and close(number, factor, LOOSE)


def _is_cubic(graph: IndexedGraph, name: str, x: str) -> bool:
    """sqrt(2/pi) * (x + 0.044715 x^3), or with x taken out of the parentheses."""
    number, names = factors(graph, name)
    if not close(number, sqrt(2 / pi), LOOSE):
        return False
    if len(names) == 1:
        node = graph.producer_of(names[0], "Add")
        if node is None:
            return False
        return any(a == x and _is_power(graph, b, x, 3) for a, b in (node.inputs, node.inputs[::-1]))
    if len(names) == 2 and x in names:
        one = plus_scalar(graph, names[1] if names[0] == x else names[0])
        return one is not None and one[1] == 1 and _is_power(graph, one[0], x, 2)
    return False


def _is_power(graph: IndexedGraph, name: str, x: str, exponent: int) -> bool:
    """CUBE * x ** exponent."""
    number, names = factors(graph, name)
    return names == [x] * exponent and close(number, CUBE, LOOSE)
