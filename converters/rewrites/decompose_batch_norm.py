"""BatchNormalization of known statistics becomes a multiplication and an addition, which fold into what precedes."""

from __future__ import annotations

import numpy as np

from ...runtime.graph import Node
from ...runtime.ops.rounding import modest, narrowed, normal
from .framework.constants import evaluated, is_fixed
from .framework.indexed import IndexedGraph
from .framework.patch import Patch
from .framework.reassociation import keeps_digits, near_zero
from .framework.rewriter import rewrite_of


@rewrite_of("BatchNormalization")
def decompose_batch_norm(graph: IndexedGraph, node: Node) -> Patch | None:
    """(x - mean) * gamma / sqrt(variance + epsilon) + beta as x * factor + offset, computed in float64.

    Where that loses digits, the mean is subtracted first. Where the numbers do not fit x's type the node stays.
    """
    x, result = node.inputs[0], node.outputs[0]
    rank, dtype = graph.rank(x), graph.dtype(x)
    if rank is None or rank < 2 or dtype is None or node.attrs.get("training_mode") or any(node.outputs[1:]):
        return None
    if not all(is_fixed(graph, name) for name in node.inputs[1:5]):
        return None
    arrays = [evaluated(graph, name) for name in node.inputs[1:5]]
    gamma, beta, mean, variance = (array.astype(np.float64) for array in arrays if array is not None)
    with np.errstate(all="ignore"):
        deviation = np.sqrt(variance + node.attrs.get("epsilon", 1e-5))
        factor = gamma / deviation
        moved = mean * factor
    if not (np.isfinite(factor).all() and normal(factor, dtype).all() and modest(moved, dtype) and modest(mean, dtype)):
        return None
    together = near_zero(mean, deviation) or keeps_digits(graph, x, mean)
    narrow = [narrowed(wide, dtype) for wide in (mean, factor, beta - moved if together else beta)]
    if any(data is None for data in narrow):
        return None
    patch = Patch(graph, [node])
    shaped = [data.reshape(-1, *[1] * (rank - 2)) for data in narrow if data is not None]
    if not together:
        centre = patch.constant(f"{node.inputs[3]}.mean", shaped[0])
        x = patch.node("Sub", [x, centre], hint=f"{result}.centred", shape=graph.shape(result))
    scale = patch.constant(f"{node.inputs[1]}.factor", shaped[1])
    shift = patch.constant(f"{node.inputs[2]}.offset", shaped[2])
    product = patch.node("Mul", [x, scale], hint=f"{result}.scaled", shape=graph.shape(result))
    patch.node("Add", [product, shift], output=result)
    return patch
