"""How shapes with symbolic dimensions pass through operators.

An operator's flags say it, or a rule: of those that compute with dimensions, so that what is computed alike gets one
name, and of those that need an input's value. All others' `infer` is asked (shape_probe.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ....runtime.graph import Attribute, Dim, Node
from ....runtime.ops.registry import Op, find
from .indexed import IndexedGraph, Shape
from .partial import LONGEST, partial_vector
from .shape_probe import probed


@dataclass(slots=True)
class Query:
    """One node, asked for the shapes of its outputs."""

    graph: IndexedGraph
    node: Node
    attrs: dict[str, Attribute]

    def shape(self, index: int) -> Shape | None:
        return self.graph.shape(self.node.inputs[index]) if self.has(index) else None

    def has(self, index: int) -> bool:
        return index < len(self.node.inputs) and bool(self.node.inputs[index])

    def dims(self, index: int) -> Shape | None:
        """An input's elements, a vector of sizes, as far as they are known."""
        return partial_vector(self.graph, self.node.inputs[index]) if self.has(index) else None

    def ints(self, index: int) -> list[int] | None:
        """A constant input's elements; None where there is none or its value is unknown."""
        data = self.graph.constant(self.node.inputs[index]) if self.has(index) else None
        return None if data is None else [int(item) for item in data.reshape(-1)]

    def length(self, index: int) -> int | None:
        """How many elements an input has that is a vector with one for each axis; None where unknown or impossible."""
        shape = self.shape(index)
        return shape[0] if shape and isinstance(shape[0], int) and shape[0] <= LONGEST else None

    def symbol(self, expression: str) -> str:
        return self.graph.symbols.name(expression)

    def fresh(self, axis: int) -> str:
        """A size of which nothing is known."""
        return self.symbol(f"{self.node.outputs[0]}[{axis}]")


Rule = Callable[[Query], "list[Shape | None]"]
RULES: dict[str, Rule] = {}


def rule(*ops: str) -> Callable[[Rule], Rule]:
    def register(function: Rule) -> Rule:
        RULES.update(dict.fromkeys(ops, function))
        return function

    return register


def symbolic(graph: IndexedGraph, node: Node) -> list[Shape | None]:
    """Shapes of the node's outputs, None where unknown."""
    from . import shape_rules_movers, shape_rules_spatial  # noqa: F401  they register their rules

    operator = find(node.op)
    if operator is None:
        return []
    function = RULES.get(node.op) or by_flags(operator)
    if function is None:
        return probed(graph, node)
    return function(Query(graph, node, operator.attributes(node)))


def by_flags(operator: Op) -> Rule | None:
    if operator.keeps_shape:
        return like_first
    if operator.broadcasts:
        return broadcasting
    return reduction if operator.reduces else None


def like_first(query: Query) -> list[Shape | None]:
    """Further outputs are as the operator infers them."""
    first = query.shape(0)
    return [first] if len(query.node.outputs) == 1 else [first, *probed(query.graph, query.node)[1:]]


def broadcasting(query: Query) -> list[Shape | None]:
    shapes = [query.shape(index) for index in range(len(query.node.inputs))]
    return [broadcast(query, [shape for shape in shapes if shape is not None])] if None not in shapes else []


def broadcast(query: Query, shapes: list[Shape]) -> Shape:
    rank = max(map(len, shapes))
    padded = [(1,) * (rank - len(shape)) + shape for shape in shapes]
    return tuple(_common(query, axis, [shape[axis] for shape in padded]) for axis in range(rank))


def _common(query: Query, axis: int, dims: list[Dim]) -> Dim:
    large = next((dim for dim in dims if isinstance(dim, int) and dim != 1), None)
    if large is not None:
        return large
    names = dict.fromkeys(dim for dim in dims if isinstance(dim, str))
    if len(names) > 1:
        return query.fresh(axis)
    return next(iter(names), 1)


@rule("MatMul")
def matrix_product(query: Query) -> list[Shape | None]:
    a, b = query.shape(0), query.shape(1)
    if a is None or b is None or len(a) < 2 or len(b) < 2:
        return []
    return [(*broadcast(query, [a[:-2], b[:-2]]), a[-2], b[-1])] if a[:-2] or b[:-2] else [(a[-2], b[-1])]


@rule("Gemm")
def gemm(query: Query) -> list[Shape | None]:
    a, b = query.shape(0), query.shape(1)
    if a is None or b is None or len(a) != 2 or len(b) != 2:
        return []
    return [(a[1 if query.attrs["transA"] else 0], b[0 if query.attrs["transB"] else 1])]


def reduction(query: Query) -> list[Shape | None]:
    shape, axes = query.shape(0), query.ints(1)
    if shape is None or (query.has(1) and axes is None):
        return []
    if not axes:
        axes = [] if query.attrs["noop_with_empty_axes"] else list(range(len(shape)))
    return [_reduced(shape, axes, bool(query.attrs["keepdims"]))]


@rule("ArgMax", "ArgMin")
def arg_reduction(query: Query) -> list[Shape | None]:
    shape = query.shape(0)
    return [] if shape is None else [_reduced(shape, [query.attrs["axis"]], bool(query.attrs["keepdims"]))]


def _reduced(shape: Shape, axes: list[int], keep: bool) -> Shape:
    gone = {axis % len(shape) for axis in axes}
    if keep:
        return tuple(1 if axis in gone else dim for axis, dim in enumerate(shape))
    return tuple(dim for axis, dim in enumerate(shape) if axis not in gone)
