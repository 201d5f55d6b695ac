"""Multiplication by a constant per channel after a convolution or matrix product goes into weights and bias."""

from __future__ import annotations

import numpy as np

from ...runtime.graph import Node
from ...runtime.ops.rounding import narrowed
from .framework.constants import channel_vector, evaluated, is_fixed, scaled
from .framework.indexed import IndexedGraph
from .framework.patch import Patch
from .framework.products import channels, has_input, open_product, output_axis, output_factor
from .framework.reassociation import scales, sums_rounded
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


def _scaled(graph: IndexedGraph, node: Node, product: Node, factor: np.ndarray) -> Patch | None:
    w, across = product.inputs[1], output_factor(graph, product, factor)
    if not scales(graph, w, across, output_axis(product)):
        return None
    patch = Patch(graph, [node, product])
    inputs = [product.inputs[0], scaled(patch, w, across)]
    if has_input(product, 2):
        rank = graph.rank(product.inputs[2]) or 0
        along = factor.reshape([1] * max(rank - 1, 0) + [-1] * (rank > 0))
        bias = evaluated(graph, product.inputs[2])
        if bias is None or not _keeps_bias(graph, product, bias, along):
            return None
        inputs.append(scaled(patch, product.inputs[2], along))
    attrs = product.attrs | {name: value for name, value in node.attrs.items() if name.startswith("activation")}
    patch.add.append(Node(product.op, inputs, list(node.outputs), attrs, product.name))
    return patch


def _keeps_bias(graph: IndexedGraph, product: Node, bias: np.ndarray, factor: np.ndarray) -> bool:
    """Whether the sum of products and bias may be scaled before it is added up."""
    with np.errstate(all="ignore"):
        wide = bias.astype(np.float64) * factor
    narrow = narrowed(wide, bias.dtype)
    return narrow is not None and (sums_rounded(graph, product) or bool((narrow == wide).all()))
