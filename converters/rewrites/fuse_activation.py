"""An activation that alone reads a result is computed by the node that makes the result."""

from __future__ import annotations

from math import isfinite

from ...runtime.graph import Node
from ...runtime.ops import activation
from ...runtime.ops.registry import find
from .framework.indexed import IndexedGraph
from .framework.patch import Patch
from .framework.rewriter import rewrite_of


def activation_of(graph: IndexedGraph, node: Node) -> tuple[str, list[float]] | None:
    """Name and parameters as attributes of the node it is fused into; None where they are not finite constants, or are
    attributes that a fused activation cannot have."""
    op = find(node.op)
    assert op is not None
    if node.op == "Clip":
        bounds = [graph.scalar(name) if name else None for name in node.inputs[1:]]
        if len(bounds) != 2 or any(bound is None or not isfinite(bound) for bound in bounds):
            return None
        return "Clip", [bound for bound in bounds if bound is not None]
    attrs = op.attributes(node)
    if node.op not in activation.PARAMETERS:
        return (node.op, []) if attrs == op.defaults else None
    return node.op, activation.numbers(attrs)


@rewrite_of(*activation.FUNCTIONS)
def fuse_activation(graph: IndexedGraph, node: Node) -> Patch | None:
    """Sums and products compute any activation with their result, pools and Concat clamps. Of quantized tensors only
    clamps are fused, and only where they change no scale: then rounding stays the same."""
    return _fused(graph, node)


@rewrite_of(*activation.CLAMPS)
def fuse_clamp(graph: IndexedGraph, node: Node) -> Patch | None:
    """As `fuse_activation`, for clamps alone, which the integer arithmetic of any operator knows."""
    return _fused(graph, node)


def _fused(graph: IndexedGraph, node: Node) -> Patch | None:
    source, result = node.inputs[0], node.outputs[0]
    producer = graph.producer(source)
    op = None if producer is None else find(producer.op)
    if producer is None or op is None or not op.fuses_activation or not graph.only_feeds(source, node):
        return None
    if producer.attrs.get("activation") is not None:
        return None
    found, clamps = activation_of(graph, node), node.op in activation.CLAMPS
    if found is None or not (clamps or op.broadcasts or op.macs is not None):
        return None
    quant = graph.quant(result)
    if not graph.is_float(result):
        same = quant is not None and quant == graph.quant(source) and graph.dtype(source) == graph.dtype(result)
        if not same or not clamps:
            return None
    patch = Patch(graph, [producer, node])
    attrs = producer.attrs | {"activation": found[0]}
    if found[1]:
        attrs["activation_params"] = found[1]
    patch.add.append(Node(producer.op, list(producer.inputs), list(node.outputs), attrs, producer.name))
    return patch
