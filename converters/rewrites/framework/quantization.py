"""QuantizeLinear and DequantizeLinear nodes as the Quantization that their inputs describe."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ....runtime.graph import Node, Quantization
from ....runtime.ops.quantize import stated_quantization
from .constants import evaluated
from .indexed import IndexedGraph

SHIFT = 128
"""Between uint8 and int8."""


def parameters(graph: IndexedGraph, node: Node) -> Quantization | None:
    """The quantization of the integer side; None where it is not constant, is blocked, or has no usable scale."""
    given = [evaluated(graph, name) if name else None for name in (*node.inputs[1:], "")]
    if len(node.inputs) > 2 and node.inputs[2] and given[1] is None:
        return None
    return stated_quantization(given[0], given[1], node.attrs, graph.rank(node.inputs[0]))


def to_signed(quant: Quantization) -> Quantization:
    """The quantization of a uint8 tensor after its integers were shifted to int8."""
    return Quantization(quant.scale, quant.zero_point - SHIFT, quant.axis)


def exactly_shifted(graph: IndexedGraph, a: str, b: str) -> bool:
    """Whether two 8-bit values hold the same real numbers, one as int8 and the other as int8 or uint8."""
    values = graph.value(a), graph.value(b)
    signed = []
    for value in values:
        if value is None or value.quant is None or value.dtype not in (np.int8, np.uint8):
            return False
        signed.append(to_signed(value.quant) if value.dtype == np.uint8 else value.quant)
    return signed[0] == signed[1]


@dataclass(frozen=True, slots=True)
class Source:
    """What a DequantizeLinear reads: the integers' name and their quantization."""

    name: str
    quant: Quantization


def dequantized(graph: IndexedGraph, name: str) -> Source | None:
    """Where name is a float32 DequantizeLinear of int8 integers that are quantized as it says, those.

    Of constants, int32 ones too, which biases are.
    """
    node = graph.producer_of(name, "DequantizeLinear")
    source = None if node is None else graph.value(node.inputs[0])
    if node is None or source is None or graph.dtype(name) != np.float32:
        return None
    quant = parameters(graph, node)
    if quant is None or source.dtype not in (np.int8, np.int32):
        return None
    return Source(source.name, quant) if source.data is not None or source.quant == quant else None


def activation_source(graph: IndexedGraph, name: str) -> Source | None:
    """As `dequantized`, of int8 with one scale for the tensor."""
    source = dequantized(graph, name)
    if source is None or source.quant.axis is not None or graph.dtype(source.name) != np.int8:
        return None
    return source


def stored_source(graph: IndexedGraph, name: str) -> Source | None:
    """The quantized integers, of one scale, that name holds as they are (a Reinterpret) or as real numbers (a
    DequantizeLinear of int8)."""
    node = graph.producer_of(name, "Reinterpret")
    if node is None:
        source = activation_source(graph, name)
        return source if source is not None and graph.quant(source.name) == source.quant else None
    quant = graph.quant(node.inputs[0])
    return None if quant is None or quant.axis is not None else Source(node.inputs[0], quant)


def sole_quantizer(graph: IndexedGraph, name: str) -> tuple[Node, Quantization] | None:
    """The QuantizeLinear to int8 with one scale that alone reads name, and what its result carries."""
    node = graph.sole_consumer(name)
    if node is None or node.op != "QuantizeLinear" or graph.dtype(node.outputs[0]) != np.int8 or node.inputs[0] != name:
        return None
    quant = graph.quant(node.outputs[0])
    return None if quant is None or quant.axis is not None else (node, quant)
