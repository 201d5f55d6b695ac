"""A Transpose moves past operators that work along axes."""

from __future__ import annotations

from ...runtime.graph import Node
from .framework.indexed import IndexedGraph
from .framework.patch import Patch
from .framework.permutation import (
    Perm,
    inverse,
    operand,
    permute_quant,
    permuted,
    sink,
    transpose,
    transposed_from,
    transposed_operand,
)
from .framework.rewriter import rewrite_of


@rewrite_of(where=lambda op: op.along_axis)
def sink_transpose_below_lines(graph: IndexedGraph, node: Node) -> Patch | None:
    """Not where the axis would no longer be the last one, which is the fast one."""
    source = transposed_from(graph, node.inputs[0])
    if source is None:
        return None
    x, perm = source
    last = len(perm) - 1
    axis = node.attrs.get("axis", -1) % len(perm)
    if axis == last and perm[axis] != last:
        return None
    attrs = node.attrs | {"axis": perm[axis]}
    return sink(Patch(graph, [node]), node.op, [x], attrs, node.outputs[0], perm)


@rewrite_of("Concat")
def sink_transpose_below_concat(graph: IndexedGraph, node: Node) -> Patch | None:
    found = next(filter(None, (transposed_from(graph, name) for name in node.inputs)), None)
    if found is None:
        return None
    perm = found[1]
    patch, inputs = Patch(graph, [node]), []
    for name in node.inputs:
        moved = _concat_operand(patch, name, perm) or transposed_operand(patch, node, name, perm)
        if moved is None:
            return None
        inputs.append(moved)
    attrs = node.attrs | {"axis": perm[node.attrs["axis"] % len(perm)]}
    return sink(patch, "Concat", inputs, attrs, node.outputs[0], perm)


def _concat_operand(patch: Patch, name: str, perm: Perm) -> str | None:
    """As `operand`, of the same rank: nothing broadcasts here."""
    shape = patch.graph.shape(name)
    return operand(patch, name, perm) if shape is not None and len(shape) == len(perm) else None


@rewrite_of("Split")
def sink_transpose_below_split(graph: IndexedGraph, node: Node) -> Patch | None:
    source = transposed_from(graph, node.inputs[0])
    if source is None or "" in node.outputs:
        return None
    x, perm = source
    patch, back = Patch(graph, [node]), inverse(perm)
    parts = []
    for name in node.outputs:
        value = patch.lookup(name)
        parts.append(patch.value(name, value.dtype, permuted(value.shape, back), permute_quant(value.quant, back)))
    attrs = node.attrs | {"axis": perm[node.attrs.get("axis", 0) % len(perm)]}
    patch.add.append(Node("Split", [x, *node.inputs[1:]], parts, attrs, node.name))
    for part, name in zip(parts, node.outputs, strict=True):
        transpose(patch, part, perm, name)
    return patch


@rewrite_of(where=lambda op: op.reduces)
def sink_transpose_below_reduction(graph: IndexedGraph, node: Node) -> Patch | None:
    source = transposed_from(graph, node.inputs[0])
    if source is None:
        return None
    x, perm = source
    patch, inputs, gone = Patch(graph, [node]), [x], list(range(len(perm)))
    if len(node.inputs) > 1 and node.inputs[1]:
        axes = graph.constant(node.inputs[1])
        if axes is None:
            return None
        if axes.size:
            gone = sorted(perm[int(axis) % len(perm)] for axis in axes.reshape(-1))
            inputs.append(patch.ints(f"{node.outputs[0]}.axes", gone))
        elif node.attrs.get("noop_with_empty_axes"):
            return None
    elif node.attrs.get("noop_with_empty_axes"):
        return None
    return _sink_reduced(patch, node, inputs, perm, set(gone), node.attrs)


@rewrite_of("ArgMax", "ArgMin")
def sink_transpose_below_arg_max(graph: IndexedGraph, node: Node) -> Patch | None:
    source = transposed_from(graph, node.inputs[0])
    if source is None:
        return None
    x, perm = source
    axis = perm[node.attrs.get("axis", 0) % len(perm)]
    return _sink_reduced(Patch(graph, [node]), node, [x], perm, {axis}, node.attrs | {"axis": axis})


def _sink_reduced(patch: Patch, node: Node, inputs: list[str], perm: Perm, gone: set[int], attrs: dict) -> Patch:
    """gone: reduced axes of the input of the Transpose."""
    after = perm
    if not node.attrs.get("keepdims", 1):
        kept = [axis for axis in range(len(perm)) if axis not in gone]
        after = tuple(kept.index(axis) for axis in perm if axis not in gone)
    return sink(patch, node.op, inputs, attrs, node.outputs[0], after)
