"""Patterns of arithmetic: which factors or terms a value is made of."""

from __future__ import annotations

from collections.abc import Iterator
from math import prod

from ....runtime.graph import Node
from .indexed import IndexedGraph

TOLERANCE = 1e-5
"""Relative; exporters write constants such as sqrt(2) in float32 or with few digits."""


def close(number: float | None, wanted: float, tolerance: float = TOLERANCE) -> bool:
    return number is not None and abs(number - wanted) <= tolerance * max(abs(wanted), 1e-30)


def with_scalar(graph: IndexedGraph, node: Node) -> tuple[str, float] | None:
    """(x, c) of an operator on x and a constant scalar, in either order (the caller minds Sub, Div and Pow)."""
    if len(node.inputs) != 2 or node.attrs.get("activation") is not None:
        return None
    for name, other in (node.inputs, node.inputs[::-1]):
        number = graph.scalar(other)
        if number is not None and graph.constant(name) is None:
            return name, number
    return None


def plus_scalar(graph: IndexedGraph, name: str) -> tuple[str, float] | None:
    """(x, c) where name is x + c."""
    node = graph.producer_of(name, "Add")
    return None if node is None else with_scalar(graph, node)


def times_scalar(graph: IndexedGraph, name: str) -> tuple[str, float] | None:
    """(x, c) where name is x * c, written as a product or a quotient."""
    node = graph.producer_of(name, "Mul", "Div")
    found = None if node is None else with_scalar(graph, node)
    if node is None or found is None or node.op == "Mul":
        return found
    return (found[0], 1 / found[1]) if node.inputs[0] == found[0] and found[1] else None


def operand_pairs(node: Node) -> Iterator[tuple[str, str]]:
    """The two operands of a commutative operator in both orders."""
    yield node.inputs[0], node.inputs[1]
    yield node.inputs[1], node.inputs[0]


def factors(graph: IndexedGraph, name: str, depth: int = 6) -> tuple[float, list[str]]:
    """(c, names) so that the value is c times the product of the names; scalar constants go into c.

    Looks into products, quotients by a scalar, and small whole powers.
    """
    node = graph.producer_of(name, "Mul", "Div", "Pow")
    if node is None or depth == 0 or node.attrs.get("activation") is not None:
        return 1.0, [name]
    if node.op == "Pow":
        exponent = graph.scalar(node.inputs[1])
        if exponent not in (2.0, 3.0):
            return 1.0, [name]
        number, names = factors(graph, node.inputs[0], depth - 1)
        return prod([number] * int(exponent)), names * int(exponent)
    if node.op == "Div":
        divisor = graph.scalar(node.inputs[1])
        if not divisor:
            return 1.0, [name]
        number, names = factors(graph, node.inputs[0], depth - 1)
        return number / divisor, names
    product, found = 1.0, []
    for source in node.inputs:
        scalar = graph.scalar(source)
        if scalar is not None:
            product *= scalar
            continue
        number, names = factors(graph, source, depth - 1)
        product *= number
        found += names
    return product, found
