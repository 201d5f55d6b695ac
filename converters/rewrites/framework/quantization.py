"""QuantizeLinear and DequantizeLinear nodes as the Quantization that their inputs describe."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ....runtime.graph import Node, Quantization
from .constants import evaluated
from .indexed import IndexedGraph

SHIFT = 128
"""Between uint8 and int8."""


def parameters(graph: IndexedGraph, node: Node) -> Quantization | None:
    """The quantization of the integer side; None where it is not constant, is blocked, or has no usable scale."""
    scale = evaluated(graph, node.inputs[1])
    if scale is None or scale.ndim > 1 or not scale.size or node.attrs.get("block_size"):
        return None
    zero_point = np.zeros(scale.size, np.int32)
    if len(node.inputs) > 2 and node.inputs[2]:
        given = evaluated(graph, node.inputs[2])
        if given is None or given.size != scale.size:
            return None
        zero_point = given.reshape(-1).astype(np.int32)
    scale = scale.reshape(-1).astype(np.float32)
    if not (np.isfinite(scale).all() and (scale > 0).all()):
        return None
    if scale.size == 1:
        return Quantization(scale, zero_point)
    rank = graph.rank(node.inputs[0])
    return None if rank is None else Quantization(scale, zero_point, node.attrs.get("axis", 1) % rank)


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
    """Where name is a float32 DequantizeLinear of int8 integers, those; of int32 ones too, which biases are.

    None where the integers were quantized otherwise than the DequantizeLinear says.
    """
    node = graph.producer_of(name, "DequantizeLinear")
    source = None if node is None else graph.value(node.inputs[0])
    if node is None or source is None or graph.dtype(name) != np.float32:
        return None
    quant = parameters(graph, node)
    if quant is None or source.dtype not in (np.int8, np.int32):
        return None
    agrees = source.data is not None or source.quant in (None, quant)
    return Source(source.name, quant) if agrees else None


def activation_source(graph: IndexedGraph, name: str) -> Source | None:
    """As `dequantized`, of int8 with one scale for the tensor."""
    source = dequantized(graph, name)
    if source is None or source.quant.axis is not None or graph.dtype(source.name) != np.int8:
        return None
    return source


def sole_quantizer(graph: IndexedGraph, name: str) -> tuple[Node, Quantization] | None:
    """The QuantizeLinear to int8 with one scale that alone reads name."""
    node = graph.sole_consumer(name)
    if node is None or node.op != "QuantizeLinear" or graph.dtype(node.outputs[0]) != np.int8 or node.inputs[0] != name:
        return None
    quant = parameters(graph, node)
    return None if quant is None or quant.axis is not None else (node, quant)
