"""DequantizeLinear -> operator -> QuantizeLinear becomes the operator on integers, where it has integer arithmetic."""

from __future__ import annotations

from dataclasses import replace

from ...runtime.graph import Node
from .framework.indexed import IndexedGraph
from .framework.patch import Patch
from .framework.quantization import activation_source, sole_quantizer
from .framework.rewriter import rewrite_of
from .qdq_product import clamped, integers

FIRST = (
    *(
        "AveragePool",
        "GlobalAveragePool",
        "MaxPool",
        "GlobalMaxPool",
        "Softmax",
        "Resize",
        "ReduceMean",
        "Relu",
        "Relu6",
    ),
    *(
        "ReluN1To1",
        "LeakyRelu",
        "HardSwish",
        "HardSigmoid",
        "Sigmoid",
        "Tanh",
        "Gelu",
        "SiLU",
        "Softplus",
        "Elu",
        "Mish",
    ),
    *("Clip", "Exp", "Log", "Sqrt", "Abs", "Neg", "Reciprocal", "Erf"),
)
"""Operators of which the first input is data, the others parameters."""

ALL = ("Add", "Sub", "Mul", "Concat")
"""Operators of which all inputs are data."""

SUMS = ("Add", "Sub")
"""Operators of which the fixed-point arithmetic is LiteRT's, and the real one what is written here."""


@rewrite_of(*FIRST, *ALL)
def quantize_operator(graph: IndexedGraph, node: Node) -> Patch | None:
    target = sole_quantizer(graph, node.outputs[0])
    if target is None or len(node.outputs) != 1:
        return None
    count = len(node.inputs) if node.op in ALL else 1
    sources = [activation_source(graph, name) for name in node.inputs[:count]]
    found = [source for source in sources if source is not None]
    if len(found) != len(sources):
        return None
    quantize, quant = target
    attrs = clamped(node.attrs, quant)
    if attrs is None:
        return None
    if node.op in SUMS:
        attrs = {**attrs, "real": 1}
    patch = Patch(graph, [node, quantize])
    inputs = [integers(patch, source) for source in found] + node.inputs[count:]
    result = quantize.outputs[0]
    patch.values[result] = replace(patch.lookup(result), quant=quant)
    patch.add.append(Node(node.op, inputs, [result], attrs, node.name))
    return patch
