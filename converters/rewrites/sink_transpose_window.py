"""A Transpose moves past operators that select from or extend a tensor: Slice, Pad, Gather, Expand, Tile."""

from __future__ import annotations

import numpy as np

from ...runtime.graph import Node
from .framework.indexed import IndexedGraph
from .framework.patch import Patch
from .framework.permutation import inverse, sink, transposed_from
from .framework.rewriter import rewrite_of


@rewrite_of("Slice")
def sink_transpose_below_slice(graph: IndexedGraph, node: Node) -> Patch | None:
    source = transposed_from(graph, node.inputs[0])
    if source is None:
        return None
    x, perm = source
    if len(node.inputs) > 3 and node.inputs[3]:
        axes = graph.constant(node.inputs[3])
    else:
        starts = graph.constant(node.inputs[1])
        axes = None if starts is None else np.arange(starts.size)
    if axes is None:
        return None
    patch = Patch(graph, [node])
    mapped = patch.ints(f"{node.outputs[0]}.axes", [perm[int(axis) % len(perm)] for axis in axes.reshape(-1)])
    return sink(patch, node.op, [x, *node.inputs[1:3], mapped, *node.inputs[4:]], node.attrs, node.outputs[0], perm)


@rewrite_of("Pad")
def sink_transpose_below_pad(graph: IndexedGraph, node: Node) -> Patch | None:
    source = transposed_from(graph, node.inputs[0])
    pads = graph.constant(node.inputs[1])
    if source is None or pads is None:
        return None
    x, perm = source
    patch, rank = Patch(graph, [node]), len(perm)
    inputs = [x, *node.inputs[1:]]
    if len(node.inputs) > 3 and node.inputs[3]:
        axes = graph.constant(node.inputs[3])
        if axes is None:
            return None
        inputs[3] = patch.ints(f"{node.outputs[0]}.axes", [perm[int(axis) % rank] for axis in axes.reshape(-1)])
    else:
        back, flat = inverse(perm), [int(item) for item in pads.reshape(-1)]
        ordered = [flat[axis] for axis in back] + [flat[rank + axis] for axis in back]
        inputs[1] = patch.ints(f"{node.outputs[0]}.pads", ordered)
    return sink(patch, node.op, inputs, node.attrs, node.outputs[0], perm)


@rewrite_of("Gather")
def sink_transpose_below_gather(graph: IndexedGraph, node: Node) -> Patch | None:
    """Indices of rank 0 (the axis disappears) or 1."""
    source, rank = transposed_from(graph, node.inputs[0]), graph.rank(node.inputs[1])
    if source is None or rank not in (0, 1):
        return None
    x, perm = source
    axis = perm[node.attrs.get("axis", 0) % len(perm)]
    after = perm if rank == 1 else tuple(a - (a > axis) for a in perm if a != axis)
    return sink(Patch(graph, [node]), node.op, [x, node.inputs[1]], node.attrs | {"axis": axis}, node.outputs[0], after)


@rewrite_of("Expand", "Tile")
def sink_transpose_below_expand(graph: IndexedGraph, node: Node) -> Patch | None:
    source, sizes = transposed_from(graph, node.inputs[0]), graph.constant(node.inputs[1])
    if source is None or sizes is None or sizes.size > len(source[1]):
        return None
    x, perm = source
    padded = [1] * (len(perm) - sizes.size) + [int(size) for size in sizes.reshape(-1)]
    patch = Patch(graph, [node])
    ordered = patch.ints(f"{node.outputs[0]}.sizes", [padded[axis] for axis in inverse(perm)])
    return sink(patch, node.op, [x, ordered], node.attrs, node.outputs[0], perm)
