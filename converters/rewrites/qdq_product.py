"""DequantizeLinear -> Conv, ConvTranspose, Gemm or MatMul -> QuantizeLinear becomes the product of integers."""

from __future__ import annotations

import numpy as np

from ...runtime.graph import Node, Quantization
from ...runtime.ops.activation import quantized_range
from ...runtime.ops.quantized_node import SAME_SCALE
from .framework.constants import evaluated, is_fixed
from .framework.indexed import IndexedGraph
from .framework.patch import Patch
from .framework.products import PRODUCTS, has_input
from .framework.quantization import Source, activation_source, dequantized, sole_quantizer
from .framework.rewriter import rewrite_of

INT32 = np.iinfo(np.int32)


@rewrite_of(*PRODUCTS)
def quantize_product(graph: IndexedGraph, node: Node) -> Patch | None:
    """Weights have one scale, or one per output channel; a bias of another scale, or of floats, is quantized anew."""
    target = sole_quantizer(graph, node.outputs[0])
    x = activation_source(graph, node.inputs[0])
    w = dequantized(graph, node.inputs[1])
    if target is None or x is None or w is None or graph.dtype(w.name) != np.int8 or has_input(node, 3):
        return None
    if (node.attrs.get("alpha", 1), node.attrs.get("beta", 1), node.attrs.get("transA", 0)) != (1, 1, 0):
        return None
    if not _per_output(graph, node, w):
        return None
    quantize, quant = target
    attrs = clamped(node.attrs, quant)
    if attrs is None:
        return None
    patch = Patch(graph, [node, quantize])
    inputs = [integers(patch, x), integers(patch, w)]
    if has_input(node, 2):
        bias = _bias(patch, node, x, w)
        if bias is None:
            return None
        inputs.append(bias)
    result = quantize.outputs[0]
    patch.add.append(Node(node.op, inputs, [result], attrs, node.name))
    return patch


def _per_output(graph: IndexedGraph, node: Node, w: Source) -> bool:
    """Whether the weights' scales are per tensor or per output channel."""
    rank = graph.rank(w.name)
    if w.quant.axis is None:
        return True
    outputs = {"Conv": 0, "Gemm": 0 if node.attrs.get("transB") else 1}.get(node.op, -1 if rank is None else rank - 1)
    return graph.constant(w.name) is not None and w.quant.axis == outputs


def clamped(attrs: dict, quant: Quantization) -> dict | None:
    """The attributes, without an activation that the output's range implies. None where it is more than a clamp."""
    name, params = attrs.get("activation"), attrs.get("activation_params", ())
    limits = quantized_range(name, params, quant, np.int8)
    if limits is None:
        return None
    if limits != (-128, 127):
        return dict(attrs)
    return {key: value for key, value in attrs.items() if not key.startswith("activation")}


def integers(patch: Patch, source: Source) -> str:
    """The integers' name; of a constant that does not carry the quantization its reader states, a copy that does."""
    value = patch.lookup(source.name)
    if value.data is None or value.quant == source.quant:
        return source.name
    return patch.constant(source.name, value.data, source.quant)


def _bias(patch: Patch, node: Node, x: Source, w: Source) -> str | None:
    """The bias as int32 with scale x.scale * w.scale; None where it does not fit or is no constant vector."""
    graph, name = patch.graph, node.inputs[2]
    scale = x.quant.scale * w.quant.scale
    data = evaluated(graph, name) if is_fixed(graph, name) else None
    if data is None or data.dtype.kind != "f" or (scale.size > 1 and node.op == "ConvTranspose"):
        return None
    quant = Quantization(scale, np.zeros(scale.size, np.int32), None if scale.size == 1 else 0)
    source = dequantized(graph, name)
    flat = data.reshape(-1)
    # A column that is as long as there are outputs has a number for each row.
    along = data.shape[-1:] if node.op == "Gemm" else data.shape
    if data.size != max(along or (1,)) or flat.size not in (1, *_outputs(graph, node)):
        return None
    stored = graph.constant(source.name) if source is not None else None
    if source is not None and stored is not None and stored.dtype == np.int32 and _same_scale(source.quant, scale):
        return patch.constant(source.name, np.broadcast_to(stored.reshape(-1), _outputs(graph, node)).copy(), quant)
    steps = np.rint(flat.astype(np.float64) / scale.astype(np.float64))
    if not np.isfinite(steps).all() or np.abs(steps).max(initial=0) > INT32.max:
        return None
    return patch.constant(name, np.broadcast_to(steps, _outputs(graph, node)).astype(np.int32), quant)


def _same_scale(quant: Quantization, scale: np.ndarray) -> bool:
    return not quant.zero_point.any() and np.allclose(quant.scale, scale, rtol=SAME_SCALE, atol=0)


def _outputs(graph: IndexedGraph, node: Node) -> tuple[int, ...]:
    """(number of output channels,)."""
    shape = graph.shape(node.outputs[0])
    return (shape[-1],) if shape and isinstance(shape[-1], int) else ()
