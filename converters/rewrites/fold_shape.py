"""What models compute from shapes becomes constant as far as the shapes are known."""

from __future__ import annotations

import numpy as np

from ...runtime.graph import Node
from .framework.indexed import IndexedGraph
from .framework.partial import partial_vector
from .framework.patch import Patch
from .framework.reshape_target import target_for
from .framework.rewriter import rewrite_of


@rewrite_of("Shape", "Size", "Gather", "Slice", "Concat", "Cast", "Squeeze", "Unsqueeze", "Add", "Sub", "Mul", "Div")
def fold_shape(graph: IndexedGraph, node: Node) -> Patch | None:
    """An integer vector of which every element is known."""
    value = graph.value(node.outputs[0])
    if value is None or value.dtype.kind not in "iu" or value.shape is None or len(value.shape) > 1:
        return None
    known = partial_vector(graph, value.name)
    if known is None or any(isinstance(dim, str) for dim in known):
        return None
    patch = Patch(graph, [node])
    data = np.array(known, value.dtype)
    patch.replace[value.name] = patch.constant(value.name, data.reshape(() if not value.shape else -1))
    return patch


@rewrite_of("Reshape")
def fix_reshape_target(graph: IndexedGraph, node: Node) -> Patch | None:
    """A Reshape whose computed target can be said with 0 (this dimension) and -1 (the rest)."""
    if graph.constant(node.inputs[1]) is not None:
        return None
    known = partial_vector(graph, node.inputs[1])
    before = graph.shape(node.inputs[0])
    if known is None or before is None:
        return None
    if -1 in known or 0 in known:
        return _with_marks(graph, node, known)
    target = target_for(before, known)
    if target is None:
        return None
    patch = Patch(graph, [node])
    patch.node("Reshape", [node.inputs[0], patch.ints(node.inputs[1], target)], output=node.outputs[0])
    return patch


def _with_marks(graph: IndexedGraph, node: Node, known: tuple[int | str, ...]) -> Patch | None:
    """The target has 0 or -1 already: only symbols that stand where they stood before can be replaced."""
    before = graph.shape(node.inputs[0]) or ()
    if node.attrs.get("allowzero"):
        return None
    target = [
        0 if isinstance(dim, str) and before[axis : axis + 1] == (dim,) else dim for axis, dim in enumerate(known)
    ]
    if any(isinstance(dim, str) for dim in target):
        return None
    patch = Patch(graph, [node])
    numbers = [int(dim) for dim in target]
    patch.node("Reshape", [node.inputs[0], patch.ints(node.inputs[1], numbers)], output=node.outputs[0])
    return patch
