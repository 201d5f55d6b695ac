"""DequantizeLinear -> operator -> QuantizeLinear becomes the operator on integers, where it has integer arithmetic."""

from __future__ import annotations

from ...runtime.graph import Node
from ...runtime.ops.registry import Op, find
from .framework.indexed import IndexedGraph
from .framework.patch import Patch
from .framework.quantization import activation_source, sole_quantizer
from .framework.rewriter import rewrite_of
from .qdq_product import clamped, integers


def has_integer_arithmetic(op: Op) -> bool:
    """Whether it computes on integers with one scale each. (Products, whose weights have many, and what only moves
    integers have rewrites of their own.)"""
    return op.quantized is not None and op.macs is None and (op.fuses_activation or not op.moves_data)


@rewrite_of(where=has_integer_arithmetic)
def quantize_operator(graph: IndexedGraph, node: Node) -> Patch | None:
    target = sole_quantizer(graph, node.outputs[0])
    if target is None or len(node.outputs) != 1:
        return None
    op = find(node.op)
    assert op is not None
    data = op.data_inputs(node)
    sources = [activation_source(graph, name) for name in data]
    found = [source for source in sources if source is not None]
    if len(found) != len(sources):
        return None
    quantize, quant = target
    attrs = clamped(node.attrs, quant)
    if attrs is None:
        return None
    if "real" in op.defaults:
        attrs = {**attrs, "real": 1}
    patch = Patch(graph, [node, quantize])
    inputs = [integers(patch, source) for source in found] + node.inputs[len(data) :]
    result = quantize.outputs[0]
    patch.add.append(Node(node.op, inputs, [result], attrs, node.name))
    return patch
