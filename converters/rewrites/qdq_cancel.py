"""QuantizeLinear after DequantizeLinear: nothing, or one step from integers to integers."""

from __future__ import annotations

import numpy as np

from ...runtime.graph import Node
from .framework.indexed import IndexedGraph
from .framework.patch import Patch
from .framework.quantization import activation_source, exactly_shifted, parameters
from .framework.rewriter import rewrite_of
from .remove_identity import bypass


@rewrite_of("QuantizeLinear")
def cancel_quantize(graph: IndexedGraph, node: Node) -> Patch | None:
    """Q(DQ(q)) is q where both say the same, else Requantize(q)."""
    source, target = activation_source(graph, node.inputs[0]), parameters(graph, node)
    result = graph.value(node.outputs[0])
    if source is None or target is None or target.axis is not None or result is None or result.dtype != np.int8:
        return None
    if graph.quant(source.name) != source.quant or result.quant != target:
        return None
    if source.quant == target:
        plain = Node("Identity", [source.name], node.outputs)
        patch = bypass(graph, plain)
        if patch is not None:
            patch.remove = [node]
            return patch
    patch = Patch(graph, [node])
    patch.node("Requantize", [source.name], {"to": "int8"}, output=result.name)
    return patch


@rewrite_of("Requantize")
def merge_requantize(graph: IndexedGraph, node: Node) -> Patch | None:
    """Requantize of a Requantize that only shifted between int8 and uint8."""
    inner = graph.producer_of(node.inputs[0], "Requantize")
    if inner is None or not exactly_shifted(graph, inner.inputs[0], inner.outputs[0]):
        return None
    if node.attrs.get("activation") is not None or inner.attrs.get("activation") is not None:
        return None
    patch = Patch(graph, [node])
    patch.node("Requantize", [inner.inputs[0]], dict(node.attrs), output=node.outputs[0])
    return patch
