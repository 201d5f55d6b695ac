"""Constants, and what is as good as one: nodes that compute from constants alone and are folded only at load time."""

from __future__ import annotations

from math import prod

import numpy as np

from ....runtime.evaluate.cost import cost_of
from ....runtime.evaluate.reference import evaluate
from ....runtime.graph import Dim, Node
from ....runtime.ops.inference import infer_node
from ....runtime.ops.registry import Tensor, find
from .indexed import IndexedGraph, Shape
from .patch import Patch

DEPTH = 8
LARGEST = 1 << 26
"""Elements that are computed while looking for constants."""


def is_fixed(graph: IndexedGraph, name: str, depth: int = 0) -> bool:
    """Whether the value is a constant or computed from constants alone."""
    if graph.constant(name) is not None:
        return True
    node = graph.producer(name)
    if node is None or depth > DEPTH or not node.inputs:
        return False
    return all(not source or is_fixed(graph, source, depth + 1) for source in node.inputs)


def evaluated(graph: IndexedGraph, name: str, depth: int = 0) -> np.ndarray | None:
    """The data of a constant, or of what is computed from constants alone; None for anything else."""
    data = graph.constant(name)
    node = graph.producer(name)
    if data is not None or node is None or depth > DEPTH or not node.inputs or find(node.op) is None:
        return data
    sizes = [concrete(graph.shape(output)) for output in node.outputs if output]
    if any(size is None or prod(size) > LARGEST for size in sizes):
        return None
    inputs = [evaluated(graph, source, depth + 1) if source else None for source in node.inputs]
    if any(source and array is None for source, array in zip(node.inputs, inputs, strict=True)):
        return None
    results = evaluate_node(graph, node, inputs)
    return None if results is None else results[node.outputs.index(name)]


def evaluate_node(
    graph: IndexedGraph, node: Node, inputs: list[np.ndarray | None], growth: int = 0
) -> list[np.ndarray] | None:
    """The node's results for these inputs, by the operator's reference; None where that is more than the graph's budget
    allows. ModelError where it does not take them. growth: bytes by which what is kept of them exceeds the inputs."""
    tensors = [
        None if data is None else Tensor(name, data.shape, data.dtype, graph.quant(name), data)
        for name, data in zip(node.inputs, inputs, strict=True)
    ]
    step = infer_node(node, tensors)
    for output in step.ctx.outputs:
        output.quant = graph.quant(output.name)
    return evaluate(step.op, step.ctx, inputs) if graph.budget.spend(cost_of(step.op, step.ctx), growth) else None


def channel_vector(graph: IndexedGraph, name: str, channels: Dim | None, rank: int) -> np.ndarray | None:
    """A constant that varies along the last axis at most, as float64 of length 1 or channels.

    None where it is no constant, or where it would broadcast a tensor of this rank and channel count to another shape.
    """
    shape = graph.shape(name)
    if shape is None or len(shape) > rank or any(dim != 1 for dim in shape[:-1]) or not is_fixed(graph, name):
        return None
    if shape and shape[-1] not in (1, channels):
        return None
    data = evaluated(graph, name)
    return None if data is None or data.dtype.kind != "f" else data.astype(np.float64).reshape(-1)


def scaled(patch: Patch, name: str, factor: np.ndarray) -> str:
    """The constant name times factor (float64, broadcasting without changing the shape).

    What is stored compactly, behind a Cast or DequantizeLinear, stays so: the product is then left to load time.
    """
    data = patch.graph.constant(name)
    if data is not None:
        return patch.constant(name, (data.astype(np.float64) * factor).astype(data.dtype))
    dtype = patch.lookup(name).dtype
    return patch.node("Mul", [name, patch.constant(f"{name}.factor", factor.astype(dtype))])


def shifted(patch: Patch, name: str, offset: np.ndarray) -> str:
    """The constant name plus offset (float64, of the same shape), like `scaled`."""
    data = patch.graph.constant(name) if name not in patch.values else patch.values[name].data
    if data is not None:
        return patch.constant(name, (data.astype(np.float64) + offset).astype(data.dtype))
    dtype = patch.lookup(name).dtype
    return patch.node("Add", [name, patch.constant(f"{name}.offset", offset.astype(dtype))])


def concrete(shape: Shape | None) -> tuple[int, ...] | None:
    """The shape where every dimension is a number."""
    if shape is None or any(isinstance(dim, str) for dim in shape):
        return None
    return tuple(dim for dim in shape if isinstance(dim, int))
