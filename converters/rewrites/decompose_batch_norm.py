"""BatchNormalization of known statistics becomes a multiplication and an addition, which fold into what precedes."""

from __future__ import annotations

import numpy as np

from ...runtime.graph import Node
from .framework.constants import evaluated, is_fixed
from .framework.indexed import IndexedGraph
from .framework.patch import Patch
from .framework.rewriter import rewrite_of


@rewrite_of("BatchNormalization")
def decompose_batch_norm(graph: IndexedGraph, node: Node) -> Patch | None:
    """(x - mean) * gamma / sqrt(variance + epsilon) + beta, the factor and the offset computed in float64."""
    rank, dtype = graph.rank(node.inputs[0]), graph.dtype(node.inputs[0])
    if rank is None or rank < 2 or dtype is None or node.attrs.get("training_mode") or any(node.outputs[1:]):
        return None
    if not all(is_fixed(graph, name) for name in node.inputs[1:5]):
        return None
    arrays = [evaluated(graph, name) for name in node.inputs[1:5]]
    gamma, beta, mean, variance = (array.astype(np.float64) for array in arrays if array is not None)
    factor = gamma / np.sqrt(variance + node.attrs.get("epsilon", 1e-5))
    offset = beta - mean * factor
    shape = (-1, *[1] * (rank - 2))
    patch, result = Patch(graph, [node]), node.outputs[0]
    scale = patch.constant(f"{node.inputs[1]}.factor", factor.astype(dtype).reshape(shape))
    shift = patch.constant(f"{node.inputs[2]}.offset", offset.astype(dtype).reshape(shape))
    product = patch.node("Mul", [node.inputs[0], scale], hint=f"{result}.scaled", shape=graph.shape(result))
    patch.node("Add", [product, shift], output=result)
    return patch
