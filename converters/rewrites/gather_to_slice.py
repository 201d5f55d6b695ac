"""Gather of constant, evenly spaced indices is a Slice."""

from __future__ import annotations

import numpy as np

from ...runtime.graph import Node
from .framework.indexed import IndexedGraph
from .framework.patch import Patch
from .framework.reshape_target import target_for
from .framework.rewriter import rewrite_of


@rewrite_of("Gather")
def gather_to_slice(graph: IndexedGraph, node: Node) -> Patch | None:
    """A scalar index drops its axis, which a Reshape does."""
    shape, indices, result = graph.shape(node.inputs[0]), graph.constant(node.inputs[1]), node.outputs[0]
    after = graph.shape(result)
    if shape is None or after is None or indices is None or indices.ndim > 1 or not indices.size:
        return None
    axis = node.attrs.get("axis", 0) % len(shape)
    size = shape[axis]
    if graph.constant(node.inputs[0]) is not None or not isinstance(size, int):
        return None
    places = indices.reshape(-1).astype(np.int64)
    places = np.where(places < 0, places + size, places)
    steps = np.unique(np.diff(places))
    if steps.size > 1 or (steps.size and steps[0] <= 0) or places.min() < 0 or places.max() >= size:
        return None
    patch, step = Patch(graph, [node]), int(steps[0]) if steps.size else 1
    bounds = [
        patch.ints(f"{result}.{word}", [number])
        for word, number in (("start", int(places[0])), ("end", int(places[-1]) + 1), ("axis", axis), ("step", step))
    ]
    if indices.ndim == 1:
        patch.node("Slice", [node.inputs[0], *bounds], output=result)
        return patch
    kept = (*shape[:axis], 1, *shape[axis + 1 :])
    target = target_for(kept, after)
    if target is None:
        return None
    part = patch.node("Slice", [node.inputs[0], *bounds], hint=result, shape=kept, quant=graph.quant(result))
    patch.node("Reshape", [part, patch.ints(f"{result}.shape", target)], output=result)
    return patch
