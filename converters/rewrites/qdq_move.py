"""Integers are moved rather than the reals they stand for, so that quantizing nodes meet."""

from __future__ import annotations

from ...runtime.graph import Node, Quantization
from ...runtime.ops.integer import dequantize
from ...runtime.ops.registry import Op
from .framework.indexed import IndexedGraph
from .framework.patch import Patch
from .framework.permutation import perm_of
from .framework.quantization import exactly_shifted, sole_quantizer, stored_source
from .framework.rewriter import rewrite_of


def moves_first_input(op: Op) -> bool:
    """Whether it gives the same on the first input's integers as on the reals that they stand for, as scales are
    positive."""
    return op.moves_data and op.data == () and not op.broadcasts and op.arity[1] is not None


@rewrite_of(where=moves_first_input)
def move_integers(graph: IndexedGraph, node: Node) -> Patch | None:
    """mover(DequantizeLinear(q)) -> DequantizeLinear(mover(q)), and so of a Reinterpret to plain integers."""
    source, convert = stored_source(graph, node.inputs[0]), graph.producer(node.inputs[0])
    if source is None or convert is None or node.attrs.get("activation") is not None:
        return None
    return _moved(Patch(graph, [node]), node, [source.name, *node.inputs[1:]], source.quant, convert)


@rewrite_of("Concat")
def concat_integers(graph: IndexedGraph, node: Node) -> Patch | None:
    """Where all inputs have one quantization. Plain constants take it on."""
    if node.attrs.get("activation") is not None:
        return None
    sources = [stored_source(graph, name) for name in node.inputs]
    first = next((index for index, source in enumerate(sources) if source is not None), None)
    if first is None:
        return None
    convert, source = graph.producer(node.inputs[first]), sources[first]
    assert convert is not None and source is not None
    patch, inputs = Patch(graph, [node]), []
    for name, found in zip(node.inputs, sources, strict=True):
        other, data = graph.producer(name), graph.constant(name)
        if found is not None and found.quant == source.quant and other is not None and other.op == convert.op:
            inputs.append(found.name)
        elif data is not None and convert.op == "Reinterpret":
            inputs.append(patch.constant(name, data, source.quant))
        else:
            return None
    return _moved(patch, node, inputs, source.quant, convert)


@rewrite_of("Pad")
def pad_integers(graph: IndexedGraph, node: Node) -> Patch | None:
    """Padding with elements of the tensor, or with zeros, for which integers have their zero point."""
    source, convert = stored_source(graph, node.inputs[0]), graph.producer(node.inputs[0])
    if source is None or convert is None:
        return None
    inputs = [source.name, *node.inputs[1:]]
    given = len(inputs) > 2 and bool(inputs[2])
    if node.attrs.get("mode", "constant") == "constant":
        zero = int(source.quant.zero_point[0]) if convert.op == "Reinterpret" else 0
        if (graph.scalar(inputs[2]) if given else 0) != zero:
            return None
    if given:
        inputs[2] = ""
    while not inputs[-1]:
        inputs.pop()
    return _moved(Patch(graph, [node]), node, inputs, source.quant, convert)


def _moved(patch: Patch, node: Node, inputs: list[str], quant: Quantization, convert: Node) -> Patch | None:
    """The node on these quantized integers, its result converted as its inputs were."""
    result = patch.graph.value(node.outputs[0])
    if len(node.outputs) != 1 or result is None:
        return None
    dtype = patch.lookup(inputs[0]).dtype
    inner = patch.node(
        node.op, inputs, dict(node.attrs), hint=result.name, dtype=dtype, shape=result.shape, quant=quant
    )
    patch.node(convert.op, [inner, *convert.inputs[1:]], {}, output=result.name)
    return patch


@rewrite_of("Split")
def split_integers(graph: IndexedGraph, node: Node) -> Patch | None:
    source, convert = stored_source(graph, node.inputs[0]), graph.producer(node.inputs[0])
    if source is None or convert is None or "" in node.outputs:
        return None
    patch, parts = Patch(graph, [node]), []
    for name in node.outputs:
        value = patch.lookup(name)
        part = patch.value(name, patch.lookup(source.name).dtype, value.shape, source.quant)
        parts.append(part)
        patch.node(convert.op, [part, *convert.inputs[1:]], {}, output=name)
    patch.add.append(Node("Split", [source.name, *node.inputs[1:]], parts, dict(node.attrs), node.name))
    return patch


@rewrite_of("Clip")
def clip_integers(graph: IndexedGraph, node: Node) -> Patch | None:
    """Clip(Reinterpret(q)) -> Reinterpret(Clip(q)), its bounds the real numbers that the integers stand for. So models
    export fewer than 8 bits."""
    source, convert = stored_source(graph, node.inputs[0]), graph.producer_of(node.inputs[0], "Reinterpret")
    if source is None or convert is None:
        return None
    patch, inputs = Patch(graph, [node]), [source.name]
    for name in node.inputs[1:]:
        bound = graph.constant(name) if name else None
        if name and (bound is None or bound.size != 1):
            return None
        inputs.append("" if bound is None else patch.constant(name, dequantize(bound.reshape(()), source.quant)))
    return _moved(patch, node, inputs, source.quant, convert)


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


@rewrite_of("Clip", where=moves_first_input)
def move_signed(graph: IndexedGraph, node: Node) -> Patch | None:
    """mover(Requantize(q)) -> Requantize(mover(q)), and so Clip, where the Requantize only shifts between int8 and
    uint8."""
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
