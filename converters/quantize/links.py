"""Where a factor for each channel passes from the weights that make a tensor to those that read it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from ...runtime.graph import Graph, Node
from .products import is_product, output_axis, outputs

HOMOGENEOUS = frozenset({None, "Relu", "LeakyRelu"})
"""Activations f with f(s x) = s f(x) for every s > 0."""
BY_CHANNEL = frozenset(
    ("Relu", "LeakyRelu", "PRelu", "MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool", "Identity")
)
"""Operators that leave the channels, along the last axis, apart, and that a positive factor passes through."""


@dataclass(frozen=True, slots=True)
class Reader:
    """between: nodes from the tensor to what `node`, a product, reads first."""

    between: tuple[Node, ...]
    node: Node

    def columns(self, graph: Graph) -> np.ndarray | None:
        """Of each input channel, the largest share of an output's largest weight; None where it is depthwise."""
        w = graph.constant(self.node.inputs[1])
        assert w is not None
        if is_depthwise(self.node, w):
            return None
        rest = np.moveaxis(np.abs(w), (output_axis(self.node, w), input_axis(self.node, w)), (0, 1))
        largest = rest.reshape(*rest.shape[:2], -1).max(2)
        whole = largest.max(1, keepdims=True)
        return np.asarray((largest / np.where(whole > 0, whole, 1)).max(0))


@dataclass(frozen=True, slots=True)
class Link:
    """maker: the product that makes `tensor`, whose channels lie along the last axis. tensors: those that a factor
    scales: the first, and what is between it and the readers. readers: all that read it."""

    maker: Node
    tensor: str
    readers: list[Reader] = field(default_factory=list)
    tensors: list[str] = field(default_factory=list)


def links(graph: Graph) -> Iterator[Link]:
    """In the order of the makers."""
    consumers = graph.consumers()
    for node in graph.nodes:
        w = graph.constant(node.inputs[1]) if is_product(graph, node) else None
        if w is None or node.attrs.get("activation") not in HOMOGENEOUS or len(node.outputs) != 1:
            continue
        if node.op == "ConvTranspose" and int(node.attrs.get("group", 1)) > 1:
            continue
        found = Link(node, node.outputs[0])
        if outputs(node, w) > 1 and _follow(graph, consumers, found, node.outputs[0], ()):
            yield found


def _follow(graph: Graph, consumers: dict[str, list[Node]], link: Link, tensor: str, between: tuple[Node, ...]) -> bool:
    """Whether the tensor and what becomes of it are read by products alone, which are added to the link."""
    nodes = consumers.get(tensor, [])
    if tensor in graph.outputs or not nodes:
        return False
    link.tensors.append(tensor)
    for node in nodes:
        if node.inputs.count(tensor) != 1 or node.inputs[0] != tensor:
            return False
        if is_product(graph, node):
            w = graph.constant(node.inputs[1])
            if w is None or not (is_depthwise(node, w) or int(node.attrs.get("group", 1)) == 1):
                return False
            link.readers.append(Reader(between, node))
            continue
        if any(name and graph.constant(name) is None for name in node.inputs[1:]) or len(node.outputs) != 1:
            return False
        if not _keeps_channels(graph, node) or node.attrs.get("activation") not in HOMOGENEOUS:
            return False
        if not _follow(graph, consumers, link, node.outputs[0], (*between, node)):
            return False
    return True


def _keeps_channels(graph: Graph, node: Node) -> bool:
    if node.op in BY_CHANNEL:
        return True
    before, after = (graph.values[name].shape for name in (node.inputs[0], node.outputs[0]))
    if node.op != "Reshape" or not before or not after:
        return False
    # It leaves the last axis alone, as behind a global pool.
    return isinstance(before[-1], int) and before[-1] == after[-1]


def is_depthwise(node: Node, w: np.ndarray) -> bool:
    """Whether every output reads one channel."""
    return node.op == "Conv" and int(node.attrs.get("group", 1)) > 1 and w.shape[-1] == 1


def input_axis(node: Node, w: np.ndarray) -> int:
    """The weights' axis of input channels."""
    if node.op == "Conv" or (node.op == "Gemm" and node.attrs.get("transB")):
        return w.ndim - 1
    return 0 if node.op in ("Gemm", "ConvTranspose") else w.ndim - 2


def multiplied(node: Node, w: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """Weights whose outputs are the factor times as large."""
    return w * _along(factor, w.ndim, output_axis(node, w))


def divided(node: Node, w: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """Weights for inputs that are the factor times as large."""
    if is_depthwise(node, w):
        return w / _along(np.repeat(factor, w.shape[0] // factor.size), w.ndim, 0)
    return w / _along(factor, w.ndim, input_axis(node, w))


def by_channel(node: Node, w: np.ndarray, reading: bool) -> np.ndarray:
    """The sum of the weights' magnitudes, float64, for each channel that the product reads, or else makes."""
    axis = input_axis(node, w) if reading and not is_depthwise(node, w) else output_axis(node, w)
    found = np.abs(w).sum(tuple(each for each in range(w.ndim) if each != axis), dtype=np.float64)
    if reading and is_depthwise(node, w):
        return found.reshape(int(node.attrs["group"]), -1).sum(1)
    return np.asarray(found)


def _along(factor: np.ndarray, rank: int, axis: int) -> np.ndarray:
    shape = [1] * rank
    shape[axis] = -1
    return factor.reshape(shape)
