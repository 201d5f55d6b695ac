"""Operators that change nothing here: x * 1, a Slice of everything, a Cast to the same dtype..."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ...runtime.graph import Node
from .framework.indexed import IndexedGraph
from .framework.patch import Patch
from .framework.rewriter import rewrite_of
from .remove_identity import bypass

NEUTRAL_IF_SAME_SHAPE = (
    "Reshape",
    "Flatten",
    "Squeeze",
    "Unsqueeze",
    "Expand",
    "Cast",
    "Requantize",
    "Resize",
    "Slice",
    "Pad",
    "Tile",
)
NEUTRAL_OPERANDS = {"Mul": 1.0, "Div": 1.0, "Pow": 1.0, "Add": 0.0, "Sub": 0.0}


@rewrite_of("Transpose", "Concat", "Split", "MaxPool", "Clip", *NEUTRAL_IF_SAME_SHAPE, *NEUTRAL_OPERANDS)
def remove_noop(graph: IndexedGraph, node: Node) -> Patch | None:
    """Only where shapes prove it, so not where a dimension of unknown size might be broadcast."""
    if node.op in NEUTRAL_OPERANDS:
        return _neutral_operand(graph, node)
    conditions: dict[str, Callable[[IndexedGraph, Node], bool]] = {
        "Transpose": _keeps_order,
        "Concat": lambda graph, node: len(node.inputs) == 1,
        "Split": lambda graph, node: len(node.outputs) == 1,
        "Clip": lambda graph, node: not any(node.inputs[1:]),
        "Slice": _whole_slice,
        "Pad": _no_padding,
        "MaxPool": _window_of_one,
        "Resize": lambda graph, node: _same_shape(graph, node) and _plain_resize(node),
    }
    condition = conditions.get(node.op, _same_shape)
    return bypass(graph, node) if condition(graph, node) else None


def _same_shape(graph: IndexedGraph, node: Node) -> bool:
    shape = graph.shape(node.inputs[0])
    return shape is not None and shape == graph.shape(node.outputs[0])


def _keeps_order(graph: IndexedGraph, node: Node) -> bool:
    perm = node.attrs.get("perm") or []
    return bool(perm) and list(perm) == sorted(perm)


def _whole_slice(graph: IndexedGraph, node: Node) -> bool:
    steps = graph.constant(node.inputs[4]) if len(node.inputs) > 4 and node.inputs[4] else np.ones(1)
    return _same_shape(graph, node) and steps is not None and bool((steps > 0).all())


def _no_padding(graph: IndexedGraph, node: Node) -> bool:
    pads = graph.constant(node.inputs[1])
    return pads is not None and not pads.any()


def _window_of_one(graph: IndexedGraph, node: Node) -> bool:
    same = _same_shape(graph, node) and not any(node.attrs.get("pads") or [])
    ones = {*node.attrs["kernel_shape"], *(node.attrs.get("strides") or [])} == {1}
    return same and ones and len(node.outputs) == 1 and node.attrs.get("activation") is None


def _plain_resize(node: Node) -> bool:
    mode = node.attrs.get("coordinate_transformation_mode", "half_pixel")
    return mode in ("half_pixel", "asymmetric", "align_corners", "pytorch_half_pixel", "half_pixel_symmetric")


def _neutral_operand(graph: IndexedGraph, node: Node) -> Patch | None:
    if node.attrs.get("activation") is not None or graph.quant(node.outputs[0]) is not None:
        return None
    neutral, (a, b) = NEUTRAL_OPERANDS[node.op], node.inputs
    if node.op in ("Mul", "Add") and _all_equal(graph, a, neutral):
        a, b = b, a
    shape = graph.shape(a)
    if not _all_equal(graph, b, neutral) or shape is None or shape != graph.shape(node.outputs[0]):
        return None
    return bypass(graph, node, a)


def _all_equal(graph: IndexedGraph, name: str, number: float) -> bool:
    data = graph.constant(name)
    return data is not None and data.size > 0 and bool((data == number).all())
