"""The product of one-hot vectors with constant weights is a row of them: how some frameworks write an embedding."""

from __future__ import annotations

import numpy as np

from ...runtime.graph import Node
from .framework.indexed import IndexedGraph
from .framework.patch import Patch
from .framework.rewriter import rewrite_of

MOST_ROWS = 4096
"""Of the weights: as many vectors are multiplied by them once, when the graph is rewritten."""


@rewrite_of("MatMul")
def look_up_one_hot(graph: IndexedGraph, node: Node) -> Patch | None:
    """MatMul(Cast(Equal(x, [0, 1, ..., n - 1])), w), with bias and activation, is EmbeddingLookup(x, those of the n
    one-hot vectors and, last, of none)."""
    cast = graph.producer_of(node.inputs[0], "Cast")
    equal = None if cast is None else graph.producer_of(cast.inputs[0], "Equal")
    w = graph.constant(node.inputs[1])
    others = [graph.constant(name) for name in node.inputs[2:] if name]
    if equal is None or w is None or w.ndim != 2 or w.dtype != np.float32 or any(each is None for each in others):
        return None
    count = w.shape[0]
    found = next((pair for pair in (equal.inputs, equal.inputs[::-1]) if _counts(graph, pair[1], count)), None)
    if found is None or not 1 < count <= MOST_ROWS or not np.isfinite(w).all():
        return None
    x, rank = found[0], len(graph.shape(equal.outputs[0]) or ())
    shape = graph.shape(x)
    if shape is None or len(shape) != rank or shape[-1] != 1 or graph.constant(x) is not None:
        return None
    if graph.value(x) is None or graph.dtype(x) not in (np.int32, np.int64):
        return None
    patch = Patch(graph, [node])
    vectors = patch.constant(f"{node.outputs[0]}.one_hot", np.eye(count + 1, count, dtype=np.float32))
    table = patch.node(
        "MatMul", [vectors, *node.inputs[1:]], dict(node.attrs), hint=f"{node.outputs[0]}.table",
        shape=(count + 1, w.shape[1]),
    )  # fmt: skip
    indices = patch.node("Squeeze", [x, patch.ints(f"{x}.axes", [-1])], hint=x, shape=shape[:-1])
    patch.node("EmbeddingLookup", [indices, table], output=node.outputs[0])
    return patch


def _counts(graph: IndexedGraph, name: str, count: int) -> bool:
    """Whether it holds 0 to count - 1 along the last axis."""
    data = graph.constant(name)
    return (
        data is not None and data.dtype.kind == "i" and data.size == count and data.shape[-1:] == (count,)
        and np.array_equal(data.reshape(-1), np.arange(count))
    )  # fmt: skip
