"""In which order of axes a node without one of its own is computed: its inputs', so that few Transposes are written."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ...runtime.graph import Node
from ...runtime.ops.registry import Op, find
from ..onnx.layout import to_first
from . import axes
from .writer import Writer


@dataclass(frozen=True, slots=True)
class Reading:
    """The ONNX node's inputs; first: with their channels second, as then is what it gives; attrs: those that differ."""

    inputs: list[str]
    first: bool = False
    attrs: dict[str, Any] = field(default_factory=dict)


def reading(writer: Writer, node: Node) -> Reading:
    op = find(node.op)
    found = _channels_second(writer, node, op) if op is not None else None
    return found or Reading([writer.read(name) for name in node.inputs])


def _channels_second(writer: Writer, node: Node, op: Op) -> Reading | None:
    """None where the node has to be computed on channels-last tensors, or on some of unknown rank."""
    data = [name for name in op.data_inputs(node) if name]
    rank = max((writer.rank(name) or 0 for name in data), default=0)
    if not any(map(writer.is_first, node.inputs)):
        return None
    if op.elementwise:
        x, *others = node.inputs
        return Reading([writer.read(x, True), *map(writer.read, others)], True) if writer.is_first(x) else None
    if op.broadcasts:
        return _broadcasting(writer, node, rank)
    if node.op in _WITH_AXES:
        return _WITH_AXES[node.op](writer, node, rank)
    if op.along_axis:
        return _along_axis(writer, node, rank, int(node.attrs.get("axis", op.defaults["axis"]) or 0))
    if op.reduces:
        return _reduction(writer, node, rank)
    return None


def _broadcasting(writer: Writer, node: Node, rank: int) -> Reading | None:
    for name in node.inputs:
        value = writer.graph.values.get(name)
        constant = value is not None and value.data is not None and (value.quant is None or value.quant.axis is None)
        if name and not constant and writer.rank(name) not in (0, rank):
            return None
    return Reading([writer.aligned(name, rank) if name else "" for name in node.inputs], True)


def _concat(writer: Writer, node: Node, rank: int) -> Reading | None:
    axis = axes.place(node.attrs["axis"], rank)
    return Reading([writer.read(name, True) for name in node.inputs], True, {"axis": axis})


def _split(writer: Writer, node: Node, rank: int) -> Reading | None:
    return _along_axis(writer, node, rank, node.attrs.get("axis", 0))


def _along_axis(writer: Writer, node: Node, rank: int, axis: int) -> Reading:
    x, *others = node.inputs
    return Reading([writer.read(x, True), *map(writer.read, others)], True, {"axis": axes.place(axis, rank)})


def _slice(writer: Writer, node: Node, rank: int) -> Reading | None:
    x, starts, ends, chosen, *steps = (*node.inputs, "")[: max(4, len(node.inputs))]
    count, listed = writer.graph.constant(starts), writer.graph.constant(chosen) if chosen else None
    if (chosen and listed is None) or (not chosen and count is None):
        return None
    moved = listed if listed is not None else np.arange(count.size if count is not None else 0)
    named = writer.constant(f"{node.outputs[0]}.axes", axes.places(moved, rank))
    others = [writer.read(starts), writer.read(ends), named, *map(writer.read, steps)]
    return Reading([writer.read(x, True), *others], True)


def _pad(writer: Writer, node: Node, rank: int) -> Reading | None:
    x, pads, *others = node.inputs
    value, chosen = (*others, "", "")[:2]
    widths, listed = writer.graph.constant(pads), writer.graph.constant(chosen) if chosen else None
    if widths is None or (chosen and listed is None):
        return None
    if listed is not None:
        named = writer.constant(f"{node.outputs[0]}.axes", axes.places(listed, rank))
        given = [writer.read(pads), writer.read(value), named]
    else:
        begin, end = widths.reshape(2, rank)[:, to_first(rank)]
        given = [writer.constant(f"{node.outputs[0]}.pads", np.concatenate([begin, end])), writer.read(value)]
    return Reading([writer.read(x, True), *given], True)


def _reduction(writer: Writer, node: Node, rank: int) -> Reading | None:
    listed = writer.graph.constant(node.inputs[1]) if len(node.inputs) > 1 else None
    if listed is None or not listed.size:
        return None
    places = axes.places(listed, rank)
    kept = bool(node.attrs.get("keepdims", 1))
    left = [axis for place, axis in enumerate(to_first(rank)) if place not in places]
    if not kept and left != sorted(left):
        return None
    named = writer.constant(f"{node.outputs[0]}.axes", places)
    return Reading([writer.read(node.inputs[0], True), named], kept)


def _reshape(writer: Writer, node: Node, rank: int) -> Reading | None:
    """Where all spatial axes have size 1, the elements lie in the same order with the channels second."""
    x, target = node.inputs[:2]
    shape, sizes = writer.graph.values[x].shape, writer.graph.constant(target)
    if shape is None or any(size != 1 for size in shape[1:-1]) or sizes is None or (sizes[1:] == 0).any():
        return None
    return Reading([writer.read(x, True), writer.read(target)])


_WITH_AXES: dict[str, Callable[[Writer, Node, int], Reading | None]] = {
    "Concat": _concat,
    "Split": _split,
    "Slice": _slice,
    "Pad": _pad,
    "Reshape": _reshape,
}
