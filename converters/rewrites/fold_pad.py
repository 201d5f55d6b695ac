"""A Pad of the spatial axes becomes the padding of the convolutions and pools that read it."""

from __future__ import annotations

import numpy as np

from ...runtime.graph import Node
from ...runtime.ops.registry import find
from .framework.indexed import IndexedGraph
from .framework.patch import Patch
from .framework.rewriter import rewrite_of


@rewrite_of("Conv", "AveragePool", "MaxPool")
def fold_pad(graph: IndexedGraph, node: Node) -> Patch | None:
    """Conv pads with zeros (the zero point where quantized). So does AveragePool if padding counts. MaxPool's padding
    never wins, so that a Pad with zeros can be folded only where no input is negative."""
    pad = graph.producer_of(node.inputs[0], "Pad")
    if pad is None or pad.attrs.get("mode", "constant") != "constant":
        return None
    if node.attrs.get("auto_pad", "NOTSET") not in ("NOTSET", "VALID") or node.attrs.get("ceil_mode"):
        return None
    rank = graph.rank(node.inputs[0])
    more = _spatial_pads(graph, pad, rank) if rank is not None else None
    if more is None or graph.quant(pad.inputs[0]) != graph.quant(pad.outputs[0]):
        return None
    own = list(node.attrs.get("pads") or []) if node.attrs.get("auto_pad", "NOTSET") == "NOTSET" else []
    own = own or [0] * len(more)
    attrs = node.attrs | {"pads": [a + b for a, b in zip(own, more, strict=True)], "auto_pad": "NOTSET"}
    value = _fill(graph, pad)
    if node.op == "Conv":
        fits = value == 0
    elif node.op == "AveragePool":
        fits = value == 0 and (not any(own) or bool(node.attrs.get("count_include_pad"))) and _within(attrs)
        attrs["count_include_pad"] = 1
    else:
        lowest = value is not None and value <= np.finfo(np.float32).min
        fits = (lowest or (value == 0 and _non_negative(graph, pad.inputs[0]))) and _within(attrs)
    if not fits:
        return None
    patch = Patch(graph, [node])
    patch.add.append(Node(node.op, [pad.inputs[0], *node.inputs[1:]], list(node.outputs), attrs, node.name))
    return patch


def _spatial_pads(graph: IndexedGraph, pad: Node, rank: int) -> list[int] | None:
    """The Pad as a `pads` attribute; None where it is unknown, negative, or reaches the first or last axis."""
    pads = graph.constant(pad.inputs[1])
    axes = list(range(rank))
    if len(pad.inputs) > 3 and pad.inputs[3]:
        given = graph.constant(pad.inputs[3])
        if given is None:
            return None
        axes = [int(axis) % rank for axis in given.reshape(-1)]
    if pads is None or (pads < 0).any():
        return None
    full = np.zeros((2, rank), np.int64)
    full[:, axes] = pads.reshape(2, -1)
    if full[:, 0].any() or full[:, -1].any():
        return None
    return [int(item) for item in full[:, 1:-1].reshape(-1)]


def _fill(graph: IndexedGraph, pad: Node) -> float | None:
    """The real number that is padded with; None where it is unknown."""
    if len(pad.inputs) < 3 or not pad.inputs[2]:
        return 0.0
    name = pad.inputs[2]
    number, quant = graph.scalar(name), graph.quant(name)
    if number is None or quant is None:
        return number
    return float((number - quant.zero_point[0]) * quant.scale[0])


def _within(attrs: dict) -> bool:
    """Whether every window of a pool meets an element of the input, so that padding alone is never pooled."""
    kernel, pads = attrs["kernel_shape"], attrs["pads"]
    dense = all(step == 1 for step in attrs.get("dilations") or [])
    return dense and all(pad < size for pad, size in zip(pads, [*kernel, *kernel], strict=True))


def _non_negative(graph: IndexedGraph, name: str, depth: int = 0) -> bool:
    node = graph.producer(name)
    op = None if node is None else find(node.attrs.get("activation") or node.op)
    if node is None or op is None or depth > 8:
        return False
    if op.non_negative:
        return True
    if not (op.moves_data or node.op == "AveragePool") or node.attrs.get("activation"):
        return False
    return all(_non_negative(graph, source, depth + 1) for source in op.data_inputs(node))
