"""Addition of a constant per channel after a convolution or matrix product becomes its bias."""

from __future__ import annotations

import numpy as np

from ...runtime.graph import Node
from .framework.constants import channel_vector, evaluated, is_fixed, shifted
from .framework.indexed import IndexedGraph
from .framework.patch import Patch
from .framework.products import channels, has_input, open_product
from .framework.reassociation import sums_merge, sums_rounded
from .framework.rewriter import rewrite_of


@rewrite_of("Add", "Sub")
def fold_offset(graph: IndexedGraph, node: Node) -> Patch | None:
    pairs = [(node.inputs[0], node.inputs[1])]
    if node.op == "Add":
        pairs.append((node.inputs[1], node.inputs[0]))
    for name, constant in pairs:
        product = open_product(graph, name, node)
        if product is None:
            continue
        size = channels(graph, product)
        offset = channel_vector(graph, constant, size, graph.rank(name) or 0)
        if offset is None or not isinstance(size, int):
            continue
        if has_input(product, 2) and (product.attrs.get("beta", 1.0) != 1 or not _is_vector(graph, product, size)):
            continue
        offset = np.broadcast_to(-offset if node.op == "Sub" else offset, (size,))
        return _shifted(graph, node, product, offset, constant) if _keeps_digits(graph, product, offset) else None
    return None


def _keeps_digits(graph: IndexedGraph, product: Node, offset: np.ndarray) -> bool:
    """Whether the bias may be added to the offset before either is added to the product."""
    dtype = graph.dtype(product.outputs[0])
    if dtype is None or not np.isfinite(offset).all():
        return False
    if not has_input(product, 2):
        return True
    bias = evaluated(graph, product.inputs[2])
    return bias is not None and sums_merge(bias.astype(np.float64), offset, dtype, sums_rounded(graph, product))


def _is_vector(graph: IndexedGraph, product: Node, size: int) -> bool:
    return graph.shape(product.inputs[2]) == (size,) and is_fixed(graph, product.inputs[2])


def _shifted(graph: IndexedGraph, node: Node, product: Node, offset: np.ndarray, constant: str) -> Patch:
    patch = Patch(graph, [node, product])
    if has_input(product, 2):
        bias = shifted(patch, product.inputs[2], offset)
    elif node.op == "Add" and graph.shape(constant) == offset.shape:
        bias = constant
    else:
        bias = patch.constant(constant, offset.astype(graph.dtype(node.outputs[0])))
    attrs = product.attrs | {name: value for name, value in node.attrs.items() if name.startswith("activation")}
    if product.op == "Gemm":
        attrs.pop("beta", None)
    patch.add.append(Node(product.op, [*product.inputs[:2], bias], list(node.outputs), attrs, product.name))
    return patch
