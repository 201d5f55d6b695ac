"""SCATTER_ND, SPARSE_TO_DENSE, DYNAMIC_UPDATE_SLICE, SEGMENT_SUM and UNSORTED_SEGMENT_*."""

from __future__ import annotations

import numpy as np

from ..handlers import Handler, handles
from ..operator import INT64_MAX, Operator

SEGMENTS = {
    "UNSORTED_SEGMENT_SUM": "add",
    "UNSORTED_SEGMENT_PROD": "mul",
    "UNSORTED_SEGMENT_MAX": "max",
    "UNSORTED_SEGMENT_MIN": "min",
}
"""Operator -> the reduction of ScatterND that it is."""


@handles("SCATTER_ND")
def scatter_nd(op: Operator) -> None:
    """Inputs: indices, updates, shape. Updates of one place add up."""
    _no_scale(op, 1)
    updates = op.input(1)
    zeros = op.new("Expand", [_number(op, 0, updates), op.int64_input(2, "shape")], op.value(updates).dtype)
    reduction = "none" if op.value(updates).dtype == np.bool_ else "add"
    op.node("ScatterND", [zeros, op.input(0), updates], [op.output()], reduction=reduction)


@handles("SPARSE_TO_DENSE")
def sparse_to_dense(op: Operator) -> None:
    """Inputs: indices, the output's shape, values, what lies elsewhere. Indices: one number, one for each value, or
    coordinates of each. One value may be of all places."""
    _no_scale(op, 2)
    base = op.new("Expand", [op.input(3), op.int64_input(1, "shape")])
    rank, indices = op.rank(0), op.input(0)
    if rank < 2:
        indices = op.new("Reshape", [indices, op.int64s([-1, 1], "coordinates")])
    count = op.new("Gather", [op.new("Shape", [indices], np.int64), op.int64s([0], "first")], axis=0)
    values = op.new("Expand", [op.input(2), count])
    op.node("ScatterND", [base, indices, values], [op.output()])


@handles("DYNAMIC_UPDATE_SLICE")
def dynamic_update_slice(op: Operator) -> None:
    op.node("DynamicUpdateSlice", [op.input(0), op.input(1), op.input(2)], [op.output()])


@handles("SEGMENT_SUM")
def segment_sum(op: Operator) -> None:
    """Inputs: data, for each of its entries the segment, ascending. So the last one tells how many there are."""
    bounds = [op.int64s([number], hint) for number, hint in ((-1, "last"), (INT64_MAX, "end"))]
    last, one = op.new("Slice", [op.int64_input(1, "segments"), *bounds]), op.int64s([1], "one")
    _segments(op, op.new("Add", [last, one]), "add")


def _unsorted(reduction: str) -> Handler:
    def convert(op: Operator) -> None:
        """Inputs: data, for each of its entries the segment, and how many segments there are. What is of a segment
        below 0 is left out."""
        _segments(op, op.int64_input(2, "count"), reduction)

    return convert


for _kind, _reduction in SEGMENTS.items():
    handles(_kind)(_unsorted(_reduction))


def _segments(op: Operator, count: str, reduction: str) -> None:
    """A segment more takes what belongs to none, and is cut off again."""
    _no_scale(op, 0)
    data, rank = op.input(0), op.rank(1)
    dtype = op.value(data).dtype
    limits = np.finfo(dtype) if dtype.kind == "f" else np.iinfo(dtype)
    first = {"add": 0, "mul": 1, "max": limits.min, "min": limits.max}[reduction]
    one, zero = op.int64s([1], "one"), op.int64s([0], "zero")
    entry = op.new("Shape", [data], np.int64)
    op.graph.nodes[-1].attrs["start"] = rank
    shape = op.new("Concat", [op.new("Add", [count, one]), entry], axis=0)
    base = op.new("Expand", [_number(op, first, data), shape], dtype)
    segments = op.cast(op.input(1), np.int64)
    stray = op.new("Less", [segments, zero], bool)
    places = op.new("Where", [stray, count, segments], np.int64)
    places = op.new("Unsqueeze", [places, op.int64s([-1], "last_axis")])
    filled = op.new("ScatterND", [base, places, data], reduction=reduction)
    op.node("Slice", [filled, zero, count, zero], [op.output()])


def _number(op: Operator, number: float, like: str) -> str:
    """A constant scalar of a value's dtype."""
    return op.constant(np.array(number, op.value(like).dtype), "initial")


def _no_scale(op: Operator, position: int) -> None:
    if op.quantized(position):
        raise op.unsupported("its data are quantized, which this operator does not add up")
