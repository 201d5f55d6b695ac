"""Products of a tensor that is rounded over its own range, as onnxruntime's dynamic quantization writes them, become
one node: DynamicQuantizeLinear, the integers less their zero point, Conv or MatMul, and the scales behind it."""

from __future__ import annotations

import numpy as np

from ...runtime.graph import Node
from .framework.indexed import IndexedGraph
from .framework.matching import operand_pairs
from .framework.patch import Patch
from .framework.permutation import Perm, transpose, transposed_from
from .framework.products import has_input
from .framework.rewriter import rewrite_of

FUSED = {"Conv": "DynamicConv", "MatMul": "DynamicMatMul"}


@rewrite_of("DynamicQuantizeLinear")
def sink_transpose_below_dynamic_quantizer(graph: IndexedGraph, node: Node) -> Patch | None:
    source = transposed_from(graph, node.inputs[0])
    if source is None:
        return None
    patch, (x, perm), (y, *parameters) = Patch(graph, [node]), source, node.outputs
    inner = patch.value(y, np.dtype(np.uint8))
    patch.add.append(Node(node.op, [x], [inner, *parameters], dict(node.attrs), node.name))
    transpose(patch, inner, perm, y)
    return patch


@rewrite_of("Mul")
def fuse_dynamic_product(graph: IndexedGraph, node: Node) -> Patch | None:
    """sums * (step * scales), by exact integer sums."""
    for sums, scales in operand_pairs(node):
        product = _product(graph, node, sums)
        found = None if product is None else _rounded(graph, product.inputs[0])
        if product is None or found is None:
            continue
        stored, outputs = _weights(graph, product), graph.shape(product.outputs[0])
        if stored is None or outputs is None:
            return None
        weights, zero_point = stored
        scale = _scale(graph, scales, found[1], weights.shape[0 if product.op == "Conv" else -1], len(outputs))
        if scale is None:
            return None
        patch = Patch(graph, [product, node])
        attrs = _activation(node) | (dict(product.attrs) if product.op == "Conv" else {"whole": 1})
        attrs |= {"w_zero_point": zero_point} if zero_point else {}
        x = found[0] if found[2] is None else transpose(patch, found[0], found[2])
        inputs = [x, patch.constant(product.inputs[1], weights), patch.constant(scales, scale)]
        patch.add.append(Node(FUSED[product.op], inputs, list(node.outputs), attrs, product.name))
        return patch
    return None


@rewrite_of("Add")
def fuse_dynamic_bias(graph: IndexedGraph, node: Node) -> Patch | None:
    for name, other in operand_pairs(node):
        product, bias = graph.producer_of(name, *FUSED.values()), graph.constant(other)
        if product is None or bias is None or has_input(product, 3) or product.attrs.get("activation") is not None:
            continue
        shape = graph.shape(name)
        scale = graph.constant(product.inputs[2])
        if shape is None or scale is None or not graph.only_feeds(name, node):
            continue
        spread = _of_channels(bias, scale.size, len(shape))
        if spread is None:
            continue
        patch = Patch(graph, [product, node])
        inputs = [*product.inputs[:3], patch.constant(other, spread)]
        patch.add.append(Node(product.op, inputs, list(node.outputs), product.attrs | _activation(node), product.name))
        return patch
    return None


def _activation(node: Node) -> dict[str, object]:
    return {name: value for name, value in node.attrs.items() if name.startswith("activation")}


def _product(graph: IndexedGraph, reader: Node, name: str) -> Node | None:
    """The Conv or MatMul whose exact sums are cast to integers and back, for the reader alone."""
    node = graph.producer_of(name, "Cast", *FUSED)
    while node is not None and graph.only_feeds(name, reader):
        if node.op in FUSED:
            plain = len(node.inputs) == 2 and node.attrs.get("activation") is None
            return node if plain and graph.dtype(name) == np.float32 else None
        reader, name = node, node.inputs[0]
        if graph.dtype(node.outputs[0]) not in (np.int32, np.float32):
            return None
        node = graph.producer_of(name, "Cast", *FUSED)
    return None


def _rounded(graph: IndexedGraph, name: str) -> tuple[str, str, Perm | None] | None:
    """(x, its step, perm) where the value is what DynamicQuantizeLinear makes of x, less its zero point, in float32 and
    transposed."""
    moved = transposed_from(graph, name)
    less = graph.producer_of(moved[0] if moved else name, "Sub")
    casts = [] if less is None else [graph.producer_of(operand, "Cast") for operand in less.inputs]
    if less is None or less.attrs.get("activation") is not None or None in casts:
        return None
    integers, zero_point = (cast.inputs[0] for cast in casts if cast is not None)
    found = graph.producer_of(integers, "DynamicQuantizeLinear")
    if found is None or [found.outputs[0], found.outputs[2]] != [integers, zero_point]:
        return None
    return found.inputs[0], found.outputs[1], moved[1] if moved else None


def _weights(graph: IndexedGraph, product: Node) -> tuple[np.ndarray, int] | None:
    """As int8, and the zero point that these are less: of the integers that they are, or that they come from."""
    name = product.inputs[1]
    cast = graph.producer_of(name, "Cast")
    data = graph.constant(name if cast is None else cast.inputs[0])
    if data is None or data.ndim > 4 or (product.op == "MatMul" and data.ndim != 2):
        return None
    if data.ndim < 3 and product.op == "Conv":
        return None
    whole = data.astype(np.int16)
    if not np.array_equal(whole, data):
        return None
    least, most = int(whole.min(initial=0)), int(whole.max(initial=0))
    zero_point = 0 if least >= -128 and most <= 127 else -128 - least
    if most + zero_point > 127 or not -128 <= zero_point <= 127:
        return None
    return (whole + np.int16(zero_point)).astype(np.int8), zero_point


def _scale(graph: IndexedGraph, name: str, step: str, channels: int, rank: int) -> np.ndarray | None:
    """What the step is multiplied with: a float32 per channel."""
    shape, node = graph.shape(name), graph.producer_of(name, "Mul", "Reshape")
    if name == step:
        return np.ones(channels, np.float32)
    if node is not None and node.op == "Reshape":
        node = graph.producer_of(node.inputs[0], "Mul")
    if shape is None or node is None or step not in node.inputs or node.attrs.get("activation") is not None:
        return None
    data = graph.constant(node.inputs[1 - node.inputs.index(step)])
    return None if data is None or graph.shape(step) != () else _of_channels(data.reshape(shape), channels, rank)


def _of_channels(data: np.ndarray, channels: int, rank: int) -> np.ndarray | None:
    """One number, or one per index of the last of `rank` axes, as float32 per channel."""
    last = data.shape[-1] if data.ndim else 1
    if data.dtype != np.float32 or data.ndim > rank or data.size != last or last not in (1, channels):
        return None
    return np.ascontiguousarray(np.broadcast_to(data.reshape(-1), channels))
