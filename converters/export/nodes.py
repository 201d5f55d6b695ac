"""What ONNX calls each node, and with which inputs and attributes."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from onnx import helper, numpy_helper

from ...runtime.errors import ModelError
from ...runtime.graph import Graph, Node
from ..onnx.layout import to_first, to_last
from . import axes
from .activations import activate
from .dynamic import in_float32, rounded_rows, rounded_whole
from .layouts import Reading, reading
from .writer import Writer

OURS = frozenset({"activation", "activation_params", "half_up", "real", "w_zero_point"})
"""Attributes that become nodes of their own, or say how integers are rounded."""
DTYPES = ("to", "dtype", "output_dtype", "output_datatype")
WITHOUT_ONNX = {
    "ConfidenceGate": "it decides between a cascade's stages: export the stages one by one",
    "MostConfident": "it decides between a cascade's stages: export the stages one by one",
    "RoundToFormat": "numbers of 8 or fewer bits that are held in wider ones cannot be written",
    "ClassNonMaxSuppression": "it is what millijoule plans for a NonMaxSuppression: export that",
    "ListChosen": "it is what millijoule plans for a NonMaxSuppression: export that",
    "ListDetections": "it is what millijoule plans for a DetectionPostProcess",
    "PaddedNonMaxSuppression": "ONNX's NonMaxSuppression gives as many boxes as it finds",
    "MaxUnpool": "its indices count channels-last",
}

SubGraph = Callable[[Graph, Writer], Any]


def write(writer: Writer, node: Node, subgraph: SubGraph) -> None:
    """Writes the node. subgraph: makes the ONNX graph of a branch. ModelError, naming the node, where ONNX cannot say
    what it does."""
    try:
        if node.op in WITHOUT_ONNX:
            raise ModelError(WITHOUT_ONNX[node.op])
        if node.op in _HANDLERS:
            _HANDLERS[node.op](writer, node)
        else:
            _general(writer, node, subgraph)
    except ModelError as problem:
        raise ModelError(f"{node} cannot be written as ONNX: {problem}") from None


def attributes(
    attrs: Mapping[str, Any], subgraph: SubGraph | None = None, writer: Writer | None = None
) -> dict[str, Any]:
    """As onnx's helper takes them."""
    found: dict[str, Any] = {}
    for name, value in attrs.items():
        if name in OURS or value is None or (isinstance(value, (list, tuple)) and not len(value)):
            continue
        if name in DTYPES and isinstance(value, str):
            if value:
                found[name] = helper.np_dtype_to_tensor_dtype(np.dtype(value))
        elif isinstance(value, np.ndarray):
            found[name] = numpy_helper.from_array(value)
        elif isinstance(value, Graph):
            assert subgraph is not None and writer is not None
            found[name] = subgraph(value, writer)
        else:
            found[name] = value
    return found


def _general(writer: Writer, node: Node, subgraph: SubGraph) -> None:
    found: Reading = reading(writer, node)
    attrs = attributes({**node.attrs, **found.attrs}, subgraph, writer)
    if len(node.outputs) == 1:
        _finish(writer, node, found.first, node.op, found.inputs, attrs)
        return
    exact = [writer.new(f"{name}.exact") if _is_quantized(writer, name) else writer.named(name, found.first)
             if name else "" for name in node.outputs]  # fmt: skip
    writer.emit(node.op, found.inputs, exact, attrs)
    for name, tensor in zip(node.outputs, exact, strict=True):
        if name:
            writer.define(name, found.first, tensor)


def _finish(
    writer: Writer, node: Node, first: bool, op: str, inputs: Sequence[str], attrs: Mapping[str, Any], added: str = ""
) -> None:
    """The node's one result: of the operator, plus what is added, through the fused activation."""
    name = node.outputs[0]
    dtype = writer.graph.values[name].dtype
    steps: list[Callable[[str, str], None]] = [lambda _, y: writer.emit(op, inputs, [y], attrs)]
    if added:
        steps.append(lambda x, y: writer.emit("Add", [x, added], [y]))
    activation = node.attrs.get("activation")
    if activation is not None:
        params = node.attrs.get("activation_params", ())
        real = np.dtype(np.float32) if dtype.kind in "iu" else dtype
        steps.append(lambda x, y: activate(writer, activation, params, x, y, real))
    tensor = ""
    for place, step in enumerate(steps):
        last = place == len(steps) - 1 and not _is_quantized(writer, name)
        made = writer.named(name, first) if last else writer.new(f"{name}.{('sums', 'added', 'exact')[place]}")
        step(tensor, made)
        tensor = made
    writer.define(name, first, tensor)


def _is_quantized(writer: Writer, name: str) -> bool:
    return bool(name) and writer.graph.values[name].quant is not None


def _embedding_lookup(writer: Writer, node: Node) -> None:
    """Gather, whose indices have to be within the table."""
    indices, table = (writer.read(name) for name in node.inputs)
    y, dtype = node.outputs[0], writer.graph.values[node.inputs[0]].dtype
    last = (writer.graph.values[node.inputs[1]].shape or (0,))[0]
    if not isinstance(last, int):
        raise ModelError("its table's size is not known")
    zero, end = (writer.constant(f"{y}.{name}", np.array(n, dtype)) for name, n in (("zero", 0), ("end", last - 1)))
    names = [writer.new(f"{y}.{name}") for name in ("low", "high", "known", "index")]
    writer.emit("GreaterOrEqual", [indices, zero], names[:1])
    writer.emit("Less", [indices, end], names[1:2])
    writer.emit("And", names[:2], names[2:3])
    writer.emit("Where", [names[2], indices, end], names[3:])
    _finish(writer, node, False, "Gather", [table, names[3]], {"axis": 0})


def _convolution(writer: Writer, node: Node) -> None:
    x, w, *others = node.inputs
    rank = writer.rank(x) or writer.rank(w)
    inputs = [writer.read(x, True, rank), writer.read(w, True, rank), *(writer.read(each) for each in others[:1])]
    added = writer.read(others[1], True) if len(others) > 1 and others[1] else ""
    _finish(writer, node, True, node.op, inputs, attributes(node.attrs), added)


def _deform_conv(writer: Writer, node: Node) -> None:
    inputs = [writer.read(name, place != 3) for place, name in enumerate(node.inputs)]
    _finish(writer, node, True, node.op, inputs, attributes(node.attrs))


def _image(writer: Writer, node: Node) -> None:
    x, *others = node.inputs
    rank = writer.rank(x) or len(node.attrs.get("kernel_shape", ())) + 2
    first = rank > 2
    inputs = [writer.read(x, first, rank), *map(writer.read, others)]
    _finish(writer, node, first, node.op, inputs, attributes(node.attrs))


def _global_max_pool(writer: Writer, node: Node) -> None:
    """Of integers that mean themselves, which ONNX's operator does not take, ReduceMax over the same axes."""
    x, y = node.inputs[0], node.outputs[0]
    rank = writer.rank(x)
    if _is_quantized(writer, x) or writer.graph.values[y].dtype.kind == "f" or rank is None:
        _image(writer, node)
        return
    spatial = writer.constant(f"{y}.axes", np.arange(2, rank))
    _finish(writer, node, True, "ReduceMax", [writer.read(x, True), spatial], {"keepdims": 1})


def _max_pool_indices(writer: Writer, node: Node) -> None:
    """Pixels are counted as ONNX does already."""
    name = node.outputs[0]
    made, values = writer.named(name, True), writer.new(f"{name}.maxima")
    writer.emit("MaxPool", [writer.read(node.inputs[0], True)], [values, made], attributes(node.attrs))
    writer.define(name, True, made)


def _resize(writer: Writer, node: Node) -> None:
    x, roi, scales, sizes = (*node.inputs, "", "", "")[:4]
    rank = writer.rank(x)
    if rank is None:
        raise ModelError("the rank of what it resizes is not known")
    if rank < 3:
        _finish(writer, node, False, "Resize", [writer.read(name) for name in node.inputs], attributes(node.attrs))
        return
    attrs = attributes(node.attrs)
    if "axes" in node.attrs and len(node.attrs["axes"]):
        attrs["axes"] = [axes.place(axis, rank) for axis in node.attrs["axes"]]
        given = [writer.read(name) for name in (roi, scales, sizes)]
    else:
        given = [_reordered(writer, name, rank) for name in (roi, scales, sizes)]
    _finish(writer, node, True, "Resize", [writer.read(x, True), *given], attrs)


def _reordered(writer: Writer, name: str, rank: int) -> str:
    """A vector with one number for each axis, or two as a roi has."""
    if not name:
        return ""
    data, order = writer.graph.constant(name), to_first(rank)
    if data is not None and data.size in (rank, 2 * rank):
        return writer.constant(name, data.reshape(-1, rank)[:, order].reshape(-1))
    made = writer.new(f"{name}.reordered")
    writer.emit("Gather", [writer.read(name), writer.constant(f"{name}.order", np.array(order))], [made], {"axis": 0})
    return made


def _transpose(writer: Writer, node: Node) -> None:
    """Where it only changes which order of axes is the graph's own, there is nothing to do."""
    x, y = node.inputs[0], node.outputs[0]
    rank = writer.rank(x)
    perm = list(node.attrs.get("perm") or range((rank or 1) - 1, -1, -1))
    if rank is not None and rank > 2 and perm == to_first(rank) and writer.is_first(x):
        writer.define(y, False, writer.read(x, True))
    elif rank is not None and rank > 2 and perm == to_last(rank) and not writer.is_first(x):
        writer.define(y, True, writer.read(x))
    else:
        _finish(writer, node, False, "Transpose", [writer.read(x)], {"perm": perm})


def _mat_mul(writer: Writer, node: Node) -> None:
    a, b, *bias = map(writer.read, node.inputs)
    _finish(writer, node, False, "MatMul", [a, b], {}, bias[0] if bias else "")


def _dynamic_mat_mul(writer: Writer, node: Node) -> None:
    a, b, scale, *bias = map(writer.read, node.inputs)
    y = node.outputs[0]
    steps, step = (rounded_whole if node.attrs.get("whole") else rounded_rows)(writer, a, y)
    sums, both = (writer.new(f"{y}.{what}") for what in ("integers", "scale"))
    writer.emit("MatMul", [steps, _weights(writer, node, b)], [sums])
    writer.emit("Mul", [step, scale], [both])
    _finish(writer, node, False, "Mul", [sums, both], {}, bias[0] if bias else "")


def _weights(writer: Writer, node: Node, w: str) -> str:
    """Integers less their zero point, in float32."""
    y, zero_point = node.outputs[0], node.attrs.get("w_zero_point", 0)
    wide = in_float32(writer, w, y)
    if not zero_point:
        return wide
    made = writer.new(f"{y}.weights")
    writer.emit("Sub", [wide, writer.constant(f"{y}.w_zero_point", np.array(zero_point, np.float32))], [made])
    return made


def _dynamic_conv(writer: Writer, node: Node) -> None:
    x, w, *others = node.inputs
    y, rank = node.outputs[0], writer.rank(x) or writer.rank(w)
    steps, step = rounded_whole(writer, writer.read(x, True, rank), y)
    sums, both = (writer.new(f"{y}.{what}") for what in ("integers", "scale"))
    weights = _weights(writer, node, writer.read(w, True, rank))
    writer.emit("Conv", [steps, weights], [sums], attributes(node.attrs))
    spread = writer.constant(f"{y}.spread", np.array([-1, *[1] * ((rank or 4) - 2)]))
    scale, *bias = (writer.new(f"{name}.spread") for name in others if name)
    for name, made in zip(filter(None, others), [scale, *bias], strict=True):
        writer.emit("Reshape", [writer.read(name), spread], [made])
    writer.emit("Mul", [step, scale], [both])
    _finish(writer, node, True, "Mul", [sums, both], {}, bias[0] if bias else "")


def _cast(writer: Writer, node: Node) -> None:
    """Weights that are held in fewer bits are cast in the order of axes in which they are read."""
    x, y = node.inputs[0], node.outputs[0]
    attrs = attributes(node.attrs)
    first = writer.is_first(x)

    def made(as_first: bool) -> str:
        tensor = writer.named(y, as_first)
        writer.emit("Cast", [writer.read(x, as_first)], [tensor], attrs)
        return tensor

    if writer.graph.constant(x) is not None:
        writer.set_made_for(y, made)
    else:
        _finish(writer, node, first, "Cast", [writer.read(x, first)], attrs)


def _batch_normalization(writer: Writer, node: Node) -> None:
    x, rank, axis = node.inputs[0], writer.rank(node.inputs[0]), node.attrs.get("axis", 1)
    if rank is None and axis != 1:
        raise ModelError("the rank of what it normalizes is not known")
    first = rank is not None and rank > 2 and axis % rank == rank - 1
    if not first and axis != 1 and (rank is None or axis % rank != 1):
        raise ModelError(f"its channels are along axis {axis}, and ONNX's along axis 1")
    attrs = attributes({name: value for name, value in node.attrs.items() if name != "axis"})
    inputs = [writer.read(x, first), *map(writer.read, node.inputs[1:])]
    _finish(writer, node, first, "BatchNormalization", inputs, attrs)


def _quantize(writer: Writer, node: Node) -> None:
    x, y = node.inputs[0], node.outputs[0]
    if _is_quantized(writer, y):
        first = writer.is_first(x)
        writer.define(y, first, writer.read(x, first))
    else:
        _finish(writer, node, False, node.op, [writer.read(name) for name in node.inputs], attributes(node.attrs))


def _dequantize(writer: Writer, node: Node) -> None:
    x, y = node.inputs[0], node.outputs[0]
    if _is_quantized(writer, x) and writer.graph.values[y].dtype == np.float32:
        if writer.graph.constant(x) is not None:
            writer.set_made_for(y, lambda first: writer.read(x, first))
            return
        first = writer.is_first(x)
        writer.set_real(y, first, writer.read(x, first))
    else:
        x_read = writer.integers(x) if _is_quantized(writer, x) else writer.read(x)
        inputs = [x_read, *(writer.read(name) for name in node.inputs[1:])]
        _finish(writer, node, False, node.op, inputs, attributes(node.attrs))


def _requantize(writer: Writer, node: Node) -> None:
    x, y = node.inputs[0], node.outputs[0]
    first = writer.is_first(x)
    writer.define(y, first, writer.read(x, first))


def _reinterpret(writer: Writer, node: Node) -> None:
    x, y = node.inputs[0], node.outputs[0]
    stored = writer.integers(x) if _is_quantized(writer, x) else writer.read(x)
    if _is_quantized(writer, y):
        writer.set_integers(y, stored)
    else:
        writer.set_real(y, False, stored)


def _activation(writer: Writer, node: Node) -> None:
    """Of a node of its own that ONNX has no operator for."""
    params = [float(node.attrs["alpha"])] if "alpha" in node.attrs else []
    x, y = node.inputs[0], node.outputs[0]
    first, quantized = writer.is_first(x), _is_quantized(writer, y)
    made = writer.new(f"{y}.exact") if quantized else writer.named(y, first)
    dtype = np.dtype(np.float32) if quantized else writer.graph.values[y].dtype
    activate(writer, node.op, params, writer.read(x, first), made, dtype)
    writer.define(y, first, made)


_HANDLERS: dict[str, Callable[[Writer, Node], None]] = {
    **dict.fromkeys(("Conv", "ConvTranspose"), _convolution),
    **dict.fromkeys(("MaxPool", "AveragePool", "GlobalAveragePool", "GridSample", "RoiAlign"), _image),
    **dict.fromkeys(("MaxRoiPool", "InstanceNormalization", "LRN", "DepthToSpace", "SpaceToDepth"), _image),
    "DeformConv": _deform_conv,
    "GlobalMaxPool": _global_max_pool,
    "MaxPoolIndices": _max_pool_indices,
    "Resize": _resize,
    "Cast": _cast,
    "Transpose": _transpose,
    "EmbeddingLookup": _embedding_lookup,
    "MatMul": _mat_mul,
    "DynamicMatMul": _dynamic_mat_mul,
    "DynamicConv": _dynamic_conv,
    "BatchNormalization": _batch_normalization,
    "QuantizeLinear": _quantize,
    "DequantizeLinear": _dequantize,
    "Requantize": _requantize,
    "Reinterpret": _reinterpret,
    **dict.fromkeys(("Relu6", "ReluN1To1", "SiLU"), _activation),
}
