"""Reshape and Transpose of a weight that is stored compactly move before its Cast or DequantizeLinear, to be folded."""

from __future__ import annotations

from ...runtime.graph import Node, Quantization
from .framework.constants import concrete
from .framework.indexed import IndexedGraph
from .framework.patch import Patch
from .framework.permutation import perm_of, permute_quant
from .framework.rewriter import rewrite_of
from .sink_transpose_reshape import regroup


@rewrite_of("Transpose", "Reshape")
def hoist_to_constant(graph: IndexedGraph, node: Node) -> Patch | None:
    """Constant -> Cast/DequantizeLinear -> Transpose/Reshape: the constant is changed instead."""
    convert = graph.producer_of(node.inputs[0], "Cast", "DequantizeLinear")
    if convert is None:
        return None
    data, shape = graph.constant(convert.inputs[0]), concrete(graph.shape(node.outputs[0]))
    if data is None or shape is None or convert.attrs.get("block_size"):
        return None
    quant, axis = graph.quant(convert.inputs[0]), None
    attrs = dict(convert.attrs)
    if convert.op == "DequantizeLinear" and _per_axis(graph, convert):
        axis = _mapped_axis(graph, node, convert.attrs.get("axis", 1) % data.ndim, shape)
        if axis is None:
            return None
        attrs["axis"] = axis
    if node.op == "Transpose":
        perm = perm_of(graph, node)
        if perm is None:
            return None
        data, quant = data.transpose(perm), permute_quant(quant, perm)
    else:
        data, quant = data.reshape(shape), _moved(quant, axis)
    if quant is not None and quant.axis is None and graph.quant(convert.inputs[0]) != quant:
        return None
    patch = Patch(graph, [node])
    constant = patch.constant(convert.inputs[0], data, quant)
    patch.node(convert.op, [constant, *convert.inputs[1:]], attrs, output=node.outputs[0])
    return patch


def _per_axis(graph: IndexedGraph, convert: Node) -> bool:
    return len(convert.inputs) > 1 and graph.rank(convert.inputs[1]) != 0


def _mapped_axis(graph: IndexedGraph, node: Node, axis: int, shape: tuple[int, ...]) -> int | None:
    """Where the node puts an axis; None where it mixes it with others."""
    if node.op == "Transpose":
        perm = perm_of(graph, node)
        return None if perm is None else perm.index(axis)
    before = graph.shape(node.inputs[0])
    groups = regroup(before, shape) if before is not None else None
    for inputs, outputs in groups or []:
        if axis in inputs:
            return outputs[0] if len(inputs) == len(outputs) == 1 else None
    return None


def _moved(quant: Quantization | None, axis: int | None) -> Quantization | None:
    if quant is None or quant.axis is None:
        return quant
    return Quantization(quant.scale, quant.zero_point, axis)
