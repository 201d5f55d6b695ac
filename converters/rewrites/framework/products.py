"""What rewrites need to know of Conv, ConvTranspose, Gemm and MatMul alike: where channels, weights and biases are."""

from __future__ import annotations

import numpy as np

from ....runtime.graph import Dim, Node
from .constants import is_fixed
from .indexed import IndexedGraph

PRODUCTS = ("Conv", "ConvTranspose", "Gemm", "MatMul")


def open_product(graph: IndexedGraph, name: str, reader: Node) -> Node | None:
    """The float product with constant weights that produces name for this reader alone, still without a fused
    activation or residual."""
    node = graph.producer_of(name, *PRODUCTS)
    if node is None or not graph.only_feeds(name, reader) or not graph.is_float(name):
        return None
    if node.attrs.get("activation") is not None or (node.op == "Conv" and has_input(node, 3)):
        return None
    if not graph.is_float(node.inputs[1]) or not is_fixed(graph, node.inputs[1]):
        return None
    return node


def has_input(node: Node, index: int) -> bool:
    return len(node.inputs) > index and bool(node.inputs[index])


def channels(graph: IndexedGraph, node: Node) -> Dim | None:
    """Size of the output's last axis, from the weights."""
    shape = graph.shape(node.inputs[1])
    if shape is None or len(shape) < 2:
        return None
    if node.op == "Conv":
        return shape[0]
    if node.op == "ConvTranspose":
        return shape[-1] * node.attrs.get("group", 1)
    if node.op == "Gemm":
        return shape[0 if node.attrs.get("transB") else 1]
    return shape[-1]


def output_axis(node: Node) -> int | None:
    """The weights' axis of output channels; None where that is only part of one."""
    if node.op == "ConvTranspose":
        return -1 if node.attrs.get("group", 1) == 1 else None
    return 0 if node.op == "Conv" or node.attrs.get("transB") else -1


def output_factor(graph: IndexedGraph, node: Node, factor: np.ndarray) -> np.ndarray:
    """What the weights are to be multiplied by, so that output channel n is by factor[n] (or all by the one factor)."""
    shape = graph.shape(node.inputs[1]) or ()
    if factor.size == 1:
        return factor.reshape([1] * len(shape))
    if node.op == "Conv" or (node.op == "Gemm" and node.attrs.get("transB")):
        return factor.reshape(-1, *[1] * (len(shape) - 1))
    if node.op == "ConvTranspose":
        group = node.attrs.get("group", 1)
        rows = np.repeat(factor.reshape(group, -1), int(shape[0]) // group, axis=0)
        return rows.reshape(int(shape[0]), *[1] * (len(shape) - 2), -1)
    return factor.reshape(*[1] * (len(shape) - 1), -1)
