"""What averages over all axes between the first and the last of a float tensor is GlobalAveragePool."""

from __future__ import annotations

from ...runtime.graph import Node
from .framework.indexed import IndexedGraph
from .framework.patch import Patch
from .framework.reshape_target import target_for
from .framework.rewriter import rewrite_of


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


@rewrite_of("AveragePool", "MaxPool")
def whole_window_to_global_pool(graph: IndexedGraph, node: Node) -> Patch | None:
    """A window as large as the input, without padding. Of quantized tensors only the maximum."""
    shape, kernel = graph.shape(node.inputs[0]), node.attrs["kernel_shape"]
    if shape is None or tuple(kernel) != shape[1:-1] or any(node.attrs.get("pads") or []) or len(node.outputs) != 1:
        return None
    if any(step != 1 for step in node.attrs.get("dilations") or []):
        return None
    if node.attrs.get("auto_pad", "NOTSET").startswith("SAME") and graph.shape(node.outputs[0]) != _pooled(shape):
        return None
    if node.op == "AveragePool" and not graph.is_float(node.outputs[0]):
        return None
    attrs = {name: value for name, value in node.attrs.items() if name.startswith("activation")}
    patch = Patch(graph, [node])
    patch.node(
        "GlobalAveragePool" if node.op == "AveragePool" else "GlobalMaxPool", node.inputs, attrs, output=node.outputs[0]
    )
    return patch


def _pooled(shape: tuple[int | str, ...]) -> tuple[int | str, ...]:
    return (shape[0], *[1] * (len(shape) - 2), shape[-1])
