"""ReduceMean over all axes between the first and the last of a float tensor is GlobalAveragePool."""

from __future__ import annotations

from ...runtime.graph import Node
from .indexed import IndexedGraph
from .patch import Patch
from .reshape_target import target_for
from .rewriter import rewrite_of


@rewrite_of("ReduceMean")
def mean_to_pool(graph: IndexedGraph, node: Node) -> Patch | None:
    """Not of quantized tensors: their mean and their pool round differently."""
    shape, result = graph.shape(node.inputs[0]), node.outputs[0]
    if shape is None or len(shape) < 3 or not graph.is_float(result) or len(node.inputs) < 2 or not node.inputs[1]:
        return None
    axes = graph.constant(node.inputs[1])
    if axes is None or sorted(int(axis) % len(shape) for axis in axes.reshape(-1)) != list(range(1, len(shape) - 1)):
        return None
    patch = Patch(graph, [node])
    if node.attrs.get("keepdims", 1):
        patch.node("GlobalAveragePool", [node.inputs[0]], output=result)
        return patch
    pooled = (shape[0], *[1] * (len(shape) - 2), shape[-1])
    target = target_for(pooled, (shape[0], shape[-1]))
    if target is None:
        return None
    pool = patch.node("GlobalAveragePool", [node.inputs[0]], hint=result, shape=pooled)
    patch.node("Reshape", [pool, patch.ints(f"{result}.shape", target)], output=result)
    return patch
