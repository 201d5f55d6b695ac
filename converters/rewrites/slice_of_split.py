"""One index of a dimension that a Reshape split off is a Slice with a step, or of a run, of the dimension before.

This is what a channel shuffle comes down to.
"""

from __future__ import annotations

from ...runtime.graph import Node
from .framework.indexed import IndexedGraph, Shape
from .framework.patch import Patch
from .framework.reshape_target import target_for
from .framework.rewriter import rewrite_of
from .sink_transpose_reshape import regroup


@rewrite_of("Slice")
def slice_of_split(graph: IndexedGraph, node: Node) -> Patch | None:
    """Slice(Reshape(x)) -> Reshape(Slice(x)), where the Reshape splits a dimension into the sliced one and another."""
    reshape = graph.producer_of(node.inputs[0], "Reshape")
    shape, result = graph.shape(node.inputs[0]), node.outputs[0]
    window = _one_index(graph, node, shape)
    before = graph.shape(reshape.inputs[0]) if reshape is not None else None
    after = graph.shape(result)
    if reshape is None or window is None or before is None or shape is None or after is None:
        return None
    axis, index = window
    found = _split_axis(before, shape, axis)
    if found is None:
        return None
    source, start, step, count = found
    bounds = (index * start, index * start + (count - 1) * step + 1, source, step)
    kept = (*before[:source], count, *before[source + 1 :])
    target = target_for(kept, after)
    if target is None:
        return None
    patch, quant = Patch(graph, [node]), graph.quant(result)
    numbers = [
        patch.ints(f"{result}.{word}", [number])
        for word, number in zip(("start", "end", "axis", "step"), bounds, strict=True)
    ]
    part = patch.node("Slice", [reshape.inputs[0], *numbers], hint=result, shape=kept, quant=quant)
    patch.node("Reshape", [part, patch.ints(f"{result}.shape", target)], output=result)
    return patch


def _one_index(graph: IndexedGraph, node: Node, shape: Shape | None) -> tuple[int, int] | None:
    """(axis, index) of a Slice that takes one index of one axis."""
    if shape is None or len(node.inputs) < 4:
        return None
    numbers = [graph.constant(name) for name in node.inputs[1:4]]
    if any(number is None or number.size != 1 for number in numbers):
        return None
    start, end, axis = (int(number.reshape(())) for number in numbers if number is not None)
    axis %= len(shape)
    size = shape[axis]
    return (axis, start) if isinstance(size, int) and 0 <= start < size and end == start + 1 else None


def _split_axis(before: Shape, after: Shape, axis: int) -> tuple[int, int, int, int] | None:
    """(source axis, factor of the index, step, count) where `axis` is the minor or major of two parts of one axis."""
    for inputs, outputs in regroup(before, after) or []:
        if axis in outputs and len(inputs) == 1 and len(outputs) == 2:
            major, minor = after[outputs[0]], after[outputs[1]]
            if not isinstance(major, int) or not isinstance(minor, int):
                return None
            return (inputs[0], minor, 1, minor) if axis == outputs[0] else (inputs[0], 1, minor, major)
    return None
