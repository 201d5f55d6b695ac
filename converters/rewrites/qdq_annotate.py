"""What a QuantizeLinear makes or a DequantizeLinear reads carries its quantization; uint8 becomes int8 inside."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ...runtime.graph import Node, Quantization
from .framework.indexed import IndexedGraph
from .framework.patch import Patch
from .framework.quantization import SHIFT, parameters, to_signed
from .framework.rewriter import rewrite_of


@rewrite_of("QuantizeLinear", "DequantizeLinear")
def annotate_quantized(graph: IndexedGraph, node: Node) -> Patch | None:
    """A value that says otherwise already is left as it is."""
    name = node.outputs[0] if node.op == "QuantizeLinear" else node.inputs[0]
    value, quant = graph.graph.values.get(name), parameters(graph, node)
    if value is None or quant is None or value.quant is not None or value.dtype not in (np.int8, np.uint8, np.int32):
        return None
    patch = Patch(graph)
    patch.values[name] = replace(value, quant=quant)
    return patch


@rewrite_of("QuantizeLinear")
def quantize_to_signed(graph: IndexedGraph, node: Node) -> Patch | None:
    """QuantizeLinear to uint8 -> QuantizeLinear to int8, Requantize to uint8."""
    result, quant = graph.value(node.outputs[0]), parameters(graph, node)
    if result is None or quant is None or result.dtype != np.uint8 or result.quant != quant:
        return None
    patch = Patch(graph, [node])
    signed = to_signed(quant)
    attrs = {name: value for name, value in node.attrs.items() if name == "axis"}
    inputs = [node.inputs[0], node.inputs[1], _zero_point(patch, node, signed)]
    inner = patch.node("QuantizeLinear", inputs, attrs, hint=result.name, dtype=np.dtype(np.int8), quant=signed)
    patch.node("Requantize", [inner], {"to": "uint8"}, output=result.name)
    return patch


@rewrite_of("DequantizeLinear")
def dequantize_from_signed(graph: IndexedGraph, node: Node) -> Patch | None:
    """DequantizeLinear of uint8 -> Requantize to int8, DequantizeLinear; a constant is shifted at once."""
    source, quant = graph.value(node.inputs[0]), parameters(graph, node)
    if source is None or quant is None or source.dtype != np.uint8 or source.quant not in (None, quant):
        return None
    patch = Patch(graph, [node])
    signed = to_signed(quant)
    if source.data is not None:
        shifted = (source.data.astype(np.int16) - SHIFT).astype(np.int8)
        inner = patch.constant(source.name, shifted, signed)
    elif quant.axis is None and source.quant is not None:
        inner = patch.node("Requantize", [source.name], {"to": "int8"}, dtype=np.dtype(np.int8), quant=signed)
    else:
        return None
    inputs = [inner, node.inputs[1], _zero_point(patch, node, signed)]
    patch.node("DequantizeLinear", inputs, dict(node.attrs), output=node.outputs[0])
    return patch


def _zero_point(patch: Patch, node: Node, quant: Quantization) -> str:
    rank = patch.graph.rank(node.inputs[1])
    data = quant.zero_point.astype(np.int8)
    return patch.constant(
        node.inputs[2] if len(node.inputs) > 2 else f"{node.inputs[1]}.zero_point", data.reshape([-1] * (rank or 0))
    )
