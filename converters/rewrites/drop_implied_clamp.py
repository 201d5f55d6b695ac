"""A quantized result whose range ends where its activation would clamp needs no activation."""

from __future__ import annotations

from ...runtime.graph import Node
from ...runtime.ops.activation import quantized_range
from .framework.indexed import IndexedGraph
from .framework.patch import Patch
from .framework.rewriter import rewrite_of


@rewrite_of(where=lambda op: op.fuses_activation)
def drop_implied_clamp(graph: IndexedGraph, node: Node) -> Patch | None:
    name, value = node.attrs.get("activation"), graph.value(node.outputs[0])
    if name is None or value is None or value.quant is None or value.dtype.name != "int8":
        return None
    if quantized_range(name, node.attrs.get("activation_params", ()), value.quant, value.dtype) != (-128, 127):
        return None
    return Patch(graph).update(node, activation=None, activation_params=None)
