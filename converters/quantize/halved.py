"""Weights stored as float16: half the file, and a model that computes in float32 as before."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from ...runtime.graph import Graph, Node, Value
from .prepare import copied
from .products import stored_weights

LARGEST = float(np.finfo(np.float16).max)


def halved(source: Graph, layers: Collection[str]) -> Graph:
    """A new graph in which these layers, by first output, read their weights through a Cast; weights beyond float16's
    range stay."""
    graph = copied(source)
    nodes: list[Node] = []
    for node in graph.nodes:
        for place in stored_weights(source, node) if node.outputs[0] in layers else ():
            name = node.inputs[place]
            w = graph.constant(name)
            assert w is not None
            if float(np.abs(w).max()) <= LARGEST:
                stored = graph.add_constant(f"{name}.float16", w.astype(np.float16))
                real = graph.add_value(Value(graph.unique(f"{name}.real"), np.dtype(np.float32), w.shape))
                nodes.append(Node("Cast", [stored], [real], {"to": "float32"}, real))
                node.inputs[place] = real
        nodes.append(node)
    graph.nodes = nodes
    return graph
