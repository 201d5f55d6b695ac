"""Multiplication by a constant per channel before a convolution or matrix product goes into the weights."""

from __future__ import annotations

from ...runtime.graph import Node
from .framework.constants import channel_vector, is_fixed, scaled
from .framework.indexed import IndexedGraph
from .framework.patch import Patch
from .framework.reassociation import scales
from .framework.rewriter import rewrite_of


@rewrite_of("Conv", "Gemm", "MatMul")
def fold_input_scale(graph: IndexedGraph, node: Node) -> Patch | None:
    """Where nothing else reads the product. (A sum before a convolution cannot follow: padding is not shifted.)"""
    name, w = node.inputs[0], node.inputs[1]
    multiply = graph.producer_of(name, "Mul", "Div")
    if multiply is None or not graph.only_feeds(name, node) or multiply.attrs.get("activation") is not None:
        return None
    shape, rank = graph.shape(w), graph.rank(name)
    if shape is None or rank is None or not graph.is_float(w) or not is_fixed(graph, w) or node.attrs.get("transA"):
        return None
    for x, constant in (multiply.inputs, multiply.inputs[::-1]):
        if multiply.op == "Div" and constant != multiply.inputs[1]:
            continue
        channels = (graph.shape(name) or (None,))[-1]
        factor = channel_vector(graph, constant, channels, rank)
        if factor is None or graph.shape(x) != graph.shape(name) or (multiply.op == "Div" and not factor.all()):
            continue
        if factor.size > 1 and (node.attrs.get("group", 1) != 1 or (node.op != "Conv" and len(shape) != 2)):
            continue
        factor = 1 / factor if multiply.op == "Div" else factor
        along = -1 if node.op == "Conv" or node.attrs.get("transB") else -2
        sizes = [1] * len(shape)
        sizes[along] = factor.size
        if not scales(graph, w, factor.reshape(sizes), None):
            return None
        patch = Patch(graph, [node])
        weights = scaled(patch, w, factor.reshape(sizes))
        patch.add.append(Node(node.op, [x, weights, *node.inputs[2:]], list(node.outputs), dict(node.attrs), node.name))
        return patch
    return None
