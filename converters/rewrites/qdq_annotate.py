"""What a QuantizeLinear makes and a DequantizeLinear reads is quantized; whoever reads or makes plain integers there
meets a Reinterpret. uint8 becomes int8 inside."""

from __future__ import annotations

import numpy as np
from msgspec.structs import replace

from ...runtime.graph import Node, Quantization, Value
from .framework.indexed import IndexedGraph
from .framework.patch import Patch
from .framework.quantization import SHIFT, parameters, to_signed
from .framework.rewriter import rewrite_of

BYTES = (np.int8, np.uint8)


@rewrite_of("QuantizeLinear")
def annotate_quantized(graph: IndexedGraph, node: Node) -> Patch | None:
    """The result itself where all its readers agree, else a value that they get the plain integers of."""
    name = node.outputs[0]
    value, quant = graph.value(name), _constant_parameters(graph, node)
    if value is None or quant is None or value.quant is not None or value.dtype not in BYTES:
        return None
    if _agreed(graph, name, quant):
        return _annotated(graph, value, quant)
    patch = Patch(graph, [node])
    inner = patch.node(
        "QuantizeLinear", node.inputs, dict(node.attrs), hint=name, dtype=value.dtype, shape=value.shape, quant=quant
    )
    patch.node("Reinterpret", [inner], output=name)
    return patch


@rewrite_of("DequantizeLinear")
def annotate_dequantized(graph: IndexedGraph, node: Node) -> Patch | None:
    """An input that nothing else reads; a constant by a copy, as others may read its integers as they are; of what is
    computed, what a Reinterpret makes."""
    name = node.inputs[0]
    value, quant = graph.value(name), _constant_parameters(graph, node)
    if value is None or quant is None or value.quant is not None:
        return None
    if value.dtype not in BYTES and (value.data is None or value.dtype != np.int32):
        return None
    if name in graph.graph.inputs and _agreed(graph, name, quant):
        return _annotated(graph, value, quant)
    patch = Patch(graph, [node])
    if value.data is not None:
        inner = patch.constant(name, value.data, quant)
    else:
        inner = patch.node("Reinterpret", [name], hint=name, shape=value.shape, quant=quant)
    patch.node("DequantizeLinear", [inner, *node.inputs[1:]], dict(node.attrs), output=node.outputs[0])
    return patch


def _constant_parameters(graph: IndexedGraph, node: Node) -> Quantization | None:
    """`parameters`, where scale and zero point are constants of the graph, so that its file proves them."""
    known = all(not name or graph.constant(name) is not None for name in node.inputs[1:])
    return parameters(graph, node) if known else None


def _agreed(graph: IndexedGraph, name: str, quant: Quantization) -> bool:
    """Whether the value is read by nothing but DequantizeLinears that say the same. For a public output, whose integers
    stay what they are, there is no more to agree on."""
    return all(
        reader.op == "DequantizeLinear" and name not in reader.inputs[1:] and parameters(graph, reader) == quant
        for reader in graph.consumers(name)
    )


def _annotated(graph: IndexedGraph, value: Value, quant: Quantization) -> Patch:
    patch = Patch(graph)
    patch.values[value.name] = replace(value, quant=quant)
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
    if source is None or quant is None or source.dtype != np.uint8 or source.quant != quant:
        return None
    patch = Patch(graph, [node])
    signed = to_signed(quant)
    if source.data is not None:
        shifted = (source.data.astype(np.int16) - SHIFT).astype(np.int8)
        inner = patch.constant(source.name, shifted, signed)
    elif quant.axis is None:
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
