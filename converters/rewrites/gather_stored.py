"""Rows are taken of a table as the file stores it, and made real then: the whole table never is."""

from __future__ import annotations

from ...runtime.graph import Node
from ...runtime.ops.registry import find
from .framework.constants import concrete
from .framework.indexed import IndexedGraph
from .framework.patch import Patch
from .framework.rewriter import rewrite_of


@rewrite_of("Gather")
def gather_stored(graph: IndexedGraph, node: Node) -> Patch | None:
    """Gather(Mul(Cast(table), scale), rows) is Mul(Cast(Gather(table, rows)), Gather(scale, rows)), one step at a time:
    of rows, along the first axis, and of what is computed from constants alone, element by element."""
    table, indices = node.inputs
    maker, shape, places = graph.producer(table), graph.shape(table), graph.shape(indices)
    if maker is None or shape is None or not places or graph.constant(indices) is not None:
        return None
    # Of a scalar index the axis is dropped, and with it the place that other operands broadcast along.
    if node.attrs.get("axis", 0) % len(shape) or not _is_elementwise(graph, maker) or not _is_stored(graph, table):
        return None
    patch, result = Patch(graph, [node]), node.outputs[0]
    inputs = [_rows_of(graph, patch, name, node, shape[0], len(shape)) for name in maker.inputs]
    patch.node(maker.op, inputs, dict(maker.attrs), output=result)
    return patch


def _rows_of(graph: IndexedGraph, patch: Patch, name: str, node: Node, rows: object, rank: int) -> str:
    """The operand's part for the rows that are taken: itself where it is the same for all of them."""
    shape = graph.shape(name) if name else ()
    if not shape or len(shape) < rank or (shape[0] == 1 and rows != 1):
        return name
    taken = (*(graph.shape(node.inputs[1]) or ()), *shape[1:])
    return patch.node("Gather", [name, node.inputs[1]], {"axis": 0}, hint=name, shape=taken, quant=graph.quant(name))


def _is_elementwise(graph: IndexedGraph, node: Node) -> bool:
    """Whether a row of the result is a function of the same row of the inputs, and of what all rows share."""
    op = find(node.op)
    if op is None or len(node.outputs) != 1:
        return False
    if node.op == "DequantizeLinear":
        return all(concrete(graph.shape(name)) in ((), (1,)) for name in node.inputs[1:] if name)
    return op.elementwise or op.broadcasts


def _is_stored(graph: IndexedGraph, name: str) -> bool:
    """Whether nothing that is fed takes part in it, and it is computed."""
    node = graph.producer(name)
    return node is not None and all(
        graph.constant(each) is not None or _is_stored(graph, each) for each in node.inputs if each
    )
