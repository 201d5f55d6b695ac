"""Operands that decide the result alone: an integer times 0, a condition and False."""

from __future__ import annotations

from math import prod

import numpy as np

from ...runtime.graph import Node
from .fold_constants import GROWTH
from .framework.constants import concrete
from .framework.indexed import IndexedGraph
from .framework.patch import Patch
from .framework.rewriter import rewrite_of

ABSORBING = {"Mul": 0, "BitwiseAnd": 0, "BitwiseOr": -1, "And": False, "Or": True}
"""-1 stands for all bits."""


@rewrite_of(*ABSORBING)
def absorbing_operand(graph: IndexedGraph, node: Node) -> Patch | None:
    """Not of real numbers, as infinity times 0 is none, nor of those that integers stand for."""
    output = node.outputs[0]
    shape, dtype, number = concrete(graph.shape(output)), graph.dtype(output), ABSORBING[node.op]
    if shape is None or dtype is None or dtype.kind not in "biu" or prod(shape) * dtype.itemsize > GROWTH:
        return None
    if node.attrs.get("activation") is not None or any(graph.quant(name) for name in (*node.inputs, output)):
        return None
    absorbing = np.array(number).astype(dtype)
    if not any(_all_are(graph, name, absorbing) for name in node.inputs):
        return None
    patch = Patch(graph, [node])
    patch.replace[output] = patch.constant(output, np.full(shape, absorbing))
    return patch


def _all_are(graph: IndexedGraph, name: str, number: np.ndarray) -> bool:
    data = graph.constant(name)
    return data is not None and data.size > 0 and data.dtype == number.dtype and bool((data == number).all())
