"""Consecutive Transposes become one, or none where they cancel; where dimensions of size 1 go does not matter."""

from __future__ import annotations

from ...runtime.graph import Node
from .framework.indexed import IndexedGraph, Shape
from .framework.patch import Patch
from .framework.permutation import Perm, perm_of, transpose, transposed_from
from .framework.reshape_target import significant
from .framework.rewriter import rewrite_of


@rewrite_of("Transpose")
def merge_transposes(graph: IndexedGraph, node: Node) -> Patch | None:
    inner, outer = transposed_from(graph, node.inputs[0]), perm_of(graph, node)
    if inner is None or outer is None:
        return None
    source, perm = inner
    merged = tuple(perm[axis] for axis in outer)
    patch, result = Patch(graph, [node]), node.outputs[0]
    cancels = merged == tuple(range(len(merged)))
    if cancels and (not graph.pinned(result) or (graph.producer(source) is not None and not graph.pinned(source))):
        patch.replace[result] = source
    else:
        transpose(patch, source, merged, result)
    return patch


@rewrite_of("Transpose")
def order_ones(graph: IndexedGraph, node: Node) -> Patch | None:
    """Dimensions of size 1 keep their order, so that Transposes that do the same look the same. A Reshape before it
    that only moves such dimensions is left out."""
    x, perm = node.inputs[0], perm_of(graph, node)
    shape, quant = graph.shape(x), graph.quant(node.outputs[0])
    if perm is None or shape is None or (quant is not None and quant.axis is not None):
        return None
    reshape = graph.producer_of(x, "Reshape")
    before = graph.shape(reshape.inputs[0]) if reshape is not None else None
    alike = before is not None and len(before) == len(shape) and significant(before) == significant(shape)
    if reshape is not None and before is not None and alike and graph.constant(reshape.inputs[0]) is None:
        x = reshape.inputs[0]
        perm, shape = _through(before, shape, perm), before
    ordered = _ordered(shape, perm)
    if ordered == perm_of(graph, node) and x == node.inputs[0]:
        return None
    patch = Patch(graph, [node])
    transpose(patch, x, ordered, node.outputs[0])
    return patch


def _through(before: Shape, after: Shape, perm: Perm) -> Perm:
    """perm of the reshaped tensor as a permutation of the tensor before."""
    large = iter([axis for axis, dim in enumerate(before) if dim != 1])
    ones = iter([axis for axis, dim in enumerate(before) if dim == 1])
    place = [next(ones) if dim == 1 else next(large) for dim in after]
    return tuple(place[axis] for axis in perm)


def _ordered(shape: Shape, perm: Perm) -> Perm:
    """perm with the axes of size 1 in ascending order."""
    ones = iter(sorted(axis for axis in perm if shape[axis] == 1))
    return tuple(next(ones) if shape[axis] == 1 else axis for axis in perm)
