"""Addition of a constant per channel before a product without padding goes into the product's bias."""

from __future__ import annotations

import numpy as np

from ...runtime.graph import Node
from ...runtime.ops.rounding import modest, narrowed
from .framework.constants import channel_vector, evaluated, is_fixed, shifted
from .framework.indexed import IndexedGraph
from .framework.patch import Patch
from .framework.products import channels, has_input
from .framework.reassociation import keeps_digits
from .framework.rewriter import rewrite_of


@rewrite_of("Conv", "Gemm", "MatMul")
def fold_input_offset(graph: IndexedGraph, node: Node) -> Patch | None:
    """product(x + t, w) = product(x, w) + sum over the inputs of t * w, where nothing else reads the sum."""
    name, w, outputs = node.inputs[0], node.inputs[1], channels(graph, node)
    add = graph.producer_of(name, "Add", "Sub")
    if add is None or not graph.only_feeds(name, node) or add.attrs.get("activation") is not None:
        return None
    if not graph.is_float(w) or not is_fixed(graph, w) or not isinstance(outputs, int) or _moves_borders(graph, node):
        return None
    if (node.attrs.get("alpha", 1), node.attrs.get("beta", 1), node.attrs.get("transA", 0)) != (1, 1, 0):
        return None
    if has_input(node, 2) and (graph.shape(node.inputs[2]) != (outputs,) or not is_fixed(graph, node.inputs[2])):
        return None
    for x, constant in (add.inputs, add.inputs[::-1]):
        if add.op == "Sub" and constant != add.inputs[1]:
            continue
        shape = graph.shape(name)
        offset = channel_vector(graph, constant, (shape or (None,))[-1], len(shape or ()))
        if offset is None or shape is None or graph.shape(x) != shape or is_fixed(graph, x):
            continue
        sums = _sums(graph, node, -offset if add.op == "Sub" else offset)
        if sums is None or not keeps_digits(graph, x, offset) or not _fits(graph, node, sums):
            return None
        patch = Patch(graph, [node])
        if has_input(node, 2):
            bias = shifted(patch, node.inputs[2], sums)
        else:
            bias = patch.constant(f"{node.outputs[0]}.bias", sums.astype(graph.dtype(node.outputs[0])))
        inputs = [x, w, bias, *node.inputs[3:]]
        patch.add.append(Node(node.op, inputs, list(node.outputs), dict(node.attrs), node.name))
        return patch
    return None


def _fits(graph: IndexedGraph, node: Node, sums: np.ndarray) -> bool:
    """Whether the bias that the sums become, or change, has a place in the product's type."""
    dtype = graph.dtype(node.outputs[0])
    bias = evaluated(graph, node.inputs[2]) if has_input(node, 2) else np.zeros(1)
    if dtype is None or bias is None or not modest(sums, dtype):
        return False
    return modest(bias, dtype) and narrowed(bias + sums, dtype) is not None


def _moves_borders(graph: IndexedGraph, node: Node) -> bool:
    """Whether a convolution pads, with zeros that the offset would not reach."""
    if node.op != "Conv":
        return False
    shape = graph.shape(node.inputs[1]) or ()
    if all(dim == 1 for dim in shape[1:-1]):
        return any(node.attrs.get("pads") or []) and node.attrs.get("auto_pad", "NOTSET") == "NOTSET"
    auto_pad = node.attrs.get("auto_pad", "NOTSET")
    return auto_pad.startswith("SAME") or (auto_pad == "NOTSET" and any(node.attrs.get("pads") or []))


def _sums(graph: IndexedGraph, node: Node, offset: np.ndarray) -> np.ndarray | None:
    """What the offset of the inputs adds to each output, in float64."""
    data = evaluated(graph, node.inputs[1])
    if data is None:
        return None
    w = data.astype(np.float64)
    if node.op == "Conv":
        taps, group = w.reshape(w.shape[0], -1, w.shape[-1]).sum(1), node.attrs.get("group", 1)
        inputs = np.broadcast_to(offset, (w.shape[-1] * group,)).reshape(group, -1)
        return (taps * np.repeat(inputs, w.shape[0] // group, axis=0)).sum(1)
    if w.ndim != 2:
        return None
    rows = w.T if node.attrs.get("transB") else w
    return np.broadcast_to(offset, (rows.shape[0],)) @ rows
