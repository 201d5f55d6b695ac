"""Integers are moved rather than the reals they stand for, so that quantizing nodes meet."""

from __future__ import annotations

from ...runtime.graph import Node, Quantization, Value
from ...runtime.ops.registry import Op
from .framework.indexed import IndexedGraph
from .framework.patch import Patch
from .framework.permutation import perm_of
from .framework.quantization import activation_source, exactly_shifted, sole_quantizer
from .framework.rewriter import rewrite_of


def moves_first_input(op: Op) -> bool:
    """Whether it gives the same on the first input's integers as on the reals that they stand for, as scales are
    positive."""
    return op.moves_data and op.data == () and not op.broadcasts and op.arity[1] is not None


@rewrite_of(where=moves_first_input)
def move_integers(graph: IndexedGraph, node: Node) -> Patch | None:
    """mover(DequantizeLinear(q)) -> DequantizeLinear(mover(q))."""
    source = activation_source(graph, node.inputs[0])
    if source is None or node.attrs.get("activation") is not None or graph.quant(source.name) != source.quant:
        return None
    return _moved(graph, node, [source.name, *node.inputs[1:]], source.quant)


@rewrite_of("Concat")
def concat_integers(graph: IndexedGraph, node: Node) -> Patch | None:
    """Where all inputs have one quantization."""
    sources = [activation_source(graph, name) for name in node.inputs]
    if node.attrs.get("activation") is not None or not sources or sources[0] is None:
        return None
    quant = sources[0].quant
    if any(source is None or source.quant != quant or graph.quant(source.name) != quant for source in sources):
        return None
    return _moved(graph, node, [source.name for source in sources if source is not None], quant)


@rewrite_of("Pad")
def pad_integers(graph: IndexedGraph, node: Node) -> Patch | None:
    """Padding with zeros, for which integers have their zero point, or with elements of the tensor."""
    source = activation_source(graph, node.inputs[0])
    if source is None or graph.quant(source.name) != source.quant:
        return None
    inputs = [source.name, *node.inputs[1:]]
    if len(inputs) > 2 and inputs[2]:
        if node.attrs.get("mode", "constant") == "constant" and graph.scalar(inputs[2]) != 0:
            return None
        inputs[2] = ""
    while not inputs[-1]:
        inputs.pop()
    return _moved(graph, node, inputs, source.quant)


def _moved(graph: IndexedGraph, node: Node, inputs: list[str], quant: Quantization) -> Patch | None:
    if len(node.outputs) != 1:
        return None
    dequantize = graph.producer(node.inputs[0])
    result = graph.value(node.outputs[0])
    if dequantize is None or result is None:
        return None
    patch = Patch(graph, [node])
    inner = patch.node(
        node.op,
        inputs,
        dict(node.attrs),
        hint=result.name,
        dtype=graph.dtype(inputs[0]),
        shape=result.shape,
        quant=quant,
    )
    patch.node("DequantizeLinear", [inner, *dequantize.inputs[1:]], {}, output=result.name)
    return patch


@rewrite_of("Split")
def split_integers(graph: IndexedGraph, node: Node) -> Patch | None:
    source = activation_source(graph, node.inputs[0])
    dequantize = graph.producer(node.inputs[0])
    if source is None or dequantize is None or graph.quant(source.name) != source.quant or "" in node.outputs:
        return None
    patch, parts = Patch(graph, [node]), []
    for name in node.outputs:
        value = patch.lookup(name)
        part = graph.unique(name, patch.values)
        patch.values[part] = Value(part, patch.lookup(source.name).dtype, value.shape, source.quant)
        parts.append(part)
        patch.node("DequantizeLinear", [part, *dequantize.inputs[1:]], {}, output=name)
    patch.add.append(Node("Split", [source.name, *node.inputs[1:]], parts, dict(node.attrs), node.name))
    return patch


@rewrite_of(where=lambda op: op.rearranges)
def quantize_before_moving(graph: IndexedGraph, node: Node) -> Patch | None:
    """QuantizeLinear(mover(x)) -> mover(QuantizeLinear(x)), so that it meets what computes x."""
    quantizer = sole_quantizer(graph, node.outputs[0])
    x = node.inputs[0]
    if quantizer is None or graph.constant(x) is not None or graph.producer(x) is None or not graph.only_feeds(x, node):
        return None
    if node.op == "Transpose" and perm_of(graph, node) is None:
        return None
    quantize, quant = quantizer
    if graph.quant(quantize.outputs[0]) != quant:
        return None
    patch, result = Patch(graph, [node, quantize]), quantize.outputs[0]
    inner = patch.node(
        "QuantizeLinear",
        [x, *quantize.inputs[1:]],
        {},
        hint=result,
        dtype=graph.dtype(result),
        shape=graph.shape(x),
        quant=quant,
    )
    patch.node(node.op, [inner, *node.inputs[1:]], dict(node.attrs), output=result)
    return patch


@rewrite_of(where=moves_first_input)
def move_signed(graph: IndexedGraph, node: Node) -> Patch | None:
    """mover(Requantize(q)) -> Requantize(mover(q)), where the Requantize only shifts between int8 and uint8."""
    requantize = graph.producer_of(node.inputs[0], "Requantize")
    if requantize is None or node.attrs.get("activation") is not None or len(node.outputs) != 1:
        return None
    source, result = graph.value(requantize.inputs[0]), graph.value(node.outputs[0])
    if source is None or result is None or source.dtype == result.dtype or result.quant is None:
        return None
    if not exactly_shifted(graph, source.name, node.inputs[0]) or graph.quant(node.inputs[0]) != result.quant:
        return None
    patch = Patch(graph, [node])
    inner = patch.node(
        node.op,
        [source.name, *node.inputs[1:]],
        dict(node.attrs),
        hint=result.name,
        dtype=source.dtype,
        shape=result.shape,
        quant=source.quant,
    )
    patch.node("Requantize", [inner], dict(requantize.attrs), output=result.name)
    return patch
