"""An activation that alone reads a result is computed by the node that makes the result."""

from __future__ import annotations

from math import isfinite

from ...runtime.graph import Node
from .framework.indexed import IndexedGraph
from .framework.patch import Patch
from .framework.rewriter import rewrite_of

ANY = frozenset(("Conv", "ConvTranspose", "Gemm", "MatMul", "Add", "Sub", "Mul", "Div"))
"""Operators that compute any activation with their result."""

CLAMPING = frozenset(("AveragePool", "MaxPool", "GlobalAveragePool", "Concat"))
"""Operators that only clamp."""

CLAMPS = frozenset(("Relu", "Relu6", "ReluN1To1", "Clip"))
FUNCTIONS = ("LeakyRelu", "HardSwish", "HardSigmoid", "Sigmoid", "Tanh", "Gelu", "SiLU", "Softplus")


def activation_of(graph: IndexedGraph, node: Node) -> tuple[str, list[float]] | None:
    """Name and parameters as attributes of the node it is fused into; None where they are not finite constants."""
    if node.op == "Clip":
        bounds = [graph.scalar(name) if name else None for name in node.inputs[1:]]
        if len(bounds) != 2 or any(bound is None or not isfinite(bound) for bound in bounds):
            return None
        return "Clip", [bound for bound in bounds if bound is not None]
    if node.op == "LeakyRelu":
        return node.op, [float(node.attrs.get("alpha", 0.01))]
    if node.op == "HardSigmoid":
        return node.op, [float(node.attrs.get("alpha", 0.2)), float(node.attrs.get("beta", 0.5))]
    if node.op == "Gelu":
        return node.op, [1.0 if node.attrs.get("approximate", "none") == "tanh" else 0.0]
    if node.op == "SiLU" and node.attrs.get("alpha", 1.0) != 1:
        return None
    return node.op, []


@rewrite_of(*sorted(CLAMPS), *FUNCTIONS)
def fuse_activation(graph: IndexedGraph, node: Node) -> Patch | None:
    """Of quantized tensors only clamps are fused, and only where they change no scale: then rounding stays the same."""
    return _fused(graph, node)


@rewrite_of(*sorted(CLAMPS))
def fuse_clamp(graph: IndexedGraph, node: Node) -> Patch | None:
    """As `fuse_activation`, for clamps alone, which the integer arithmetic of any operator knows."""
    return _fused(graph, node)


def _fused(graph: IndexedGraph, node: Node) -> Patch | None:
    source, result = node.inputs[0], node.outputs[0]
    producer = graph.producer_of(source, *ANY, *CLAMPING)
    if producer is None or not graph.only_feeds(source, node) or producer.attrs.get("activation") is not None:
        return None
    found = activation_of(graph, node)
    if found is None or (producer.op in CLAMPING and node.op not in CLAMPS):
        return None
    quant = graph.quant(result)
    if not graph.is_float(result):
        same = quant is not None and quant == graph.quant(source) and graph.dtype(source) == graph.dtype(result)
        if not same or node.op not in CLAMPS:
            return None
    patch = Patch(graph, [producer, node])
    attrs = producer.attrs | {"activation": found[0]}
    if found[1]:
        attrs["activation_params"] = found[1]
    patch.add.append(Node(producer.op, list(producer.inputs), list(node.outputs), attrs, producer.name))
    return patch
