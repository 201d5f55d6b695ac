"""Multiplication by a constant per channel after a convolution or matrix product goes into weights and bias."""

from __future__ import annotations

import numpy as np

from ...runtime.graph import Node
from .framework.constants import channel_vector, is_fixed, scaled
from .framework.indexed import IndexedGraph
from .framework.patch import Patch
from .framework.products import channels, has_input, open_product, scale_outputs
from .framework.rewriter import rewrite_of


@rewrite_of("Mul", "Div")
def fold_scale(graph: IndexedGraph, node: Node) -> Patch | None:
    pairs = [(node.inputs[0], node.inputs[1])]
    if node.op == "Mul":
        pairs.append((node.inputs[1], node.inputs[0]))
    for name, constant in pairs:
        product = open_product(graph, name, node)
        if product is None:
            continue
        factor = channel_vector(graph, constant, channels(graph, product), graph.rank(name) or 0)
        if factor is None or (has_input(product, 2) and not is_fixed(graph, product.inputs[2])):
            continue
        if node.op == "Div":
            if not factor.all():
                continue
            factor = 1 / factor
        return _scaled(graph, node, product, factor)
    return None


def _scaled(graph: IndexedGraph, node: Node, product: Node, factor: np.ndarray) -> Patch:
    patch = Patch(graph, [node, product])
    inputs = [product.inputs[0], scale_outputs(patch, product, factor)]
    if has_input(product, 2):
        rank = graph.rank(product.inputs[2]) or 0
        inputs.append(scaled(patch, product.inputs[2], factor.reshape([1] * max(rank - 1, 0) + [-1] * (rank > 0))))
    attrs = product.attrs | {name: value for name, value in node.attrs.items() if name.startswith("activation")}
    patch.add.append(Node(product.op, inputs, list(node.outputs), attrs, product.name))
    return patch
