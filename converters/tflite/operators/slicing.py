"""SLICE, STRIDED_SLICE, REVERSE_V2, REVERSE_SEQUENCE."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from ..handlers import handles
from ..operator import INT64_MAX, Operator

TO_FRONT = -INT64_MAX
"""The end of a slice that runs backwards to the very first element."""


@handles("SLICE")
def slice_(op: Operator) -> None:
    """Inputs: data, begin, size; size -1 reaches to the end."""
    axes = op.int64s(range(op.rank(0)), "axes")
    if op.data(1) is not None and op.data(2) is not None:
        begin, size = op.integers(1, "begin"), op.integers(2, "size")
        if len(begin) != len(size) or len(begin) != op.rank(0):
            raise op.error(f"begin {begin} and size {size} do not fit {op.rank(0)} dimensions")
        ends = op.int64s([INT64_MAX if s < 0 else b + s for b, s in zip(begin, size, strict=True)], "ends")
        starts = op.int64s(begin, "starts")
    else:
        starts, size_name = op.int64_input(1, "starts"), op.int64_input(2, "size")
        open_end = op.new("Less", [size_name, op.int64s([0], "zero")], bool)
        ends = op.new("Add", [starts, size_name])
        ends = op.new("Where", [open_end, op.int64s([INT64_MAX], "end"), ends], np.int64)
    op.node("Slice", [op.input(0), starts, ends, axes], [op.output()])


@handles("REVERSE_V2")
def reverse(op: Operator) -> None:
    axes = [op.axis(axis, op.rank(0)) for axis in op.integers(1, "the axes")]
    count = len(axes)
    bounds = ([-1] * count, [TO_FRONT] * count, axes, [-1] * count)
    names = [op.int64s(values, hint) for values, hint in zip(bounds, ("starts", "ends", "axes", "steps"), strict=True)]
    op.node("Slice", [op.input(0), *names], [op.output()])


@dataclass(slots=True)
class _Spec:
    """What the masks of a STRIDED_SLICE say. sliced: (position in begin/end/strides, axis of the input) of each entry
    that slices. shrink: axes of the input to drop. new: axes of the output to insert."""

    sliced: list[tuple[int, int]] = field(default_factory=list)
    shrink: list[int] = field(default_factory=list)
    new: list[int] = field(default_factory=list)


def _spec(op: Operator, count: int) -> _Spec:
    ellipsis, new, shrink = (op.option(f"{name}Mask", 0) for name in ("Ellipsis", "NewAxis", "ShrinkAxis"))
    rank, spec = op.rank(0), _Spec()
    named = sum(not (ellipsis | new) >> i & 1 for i in range(count))
    axis = place = 0
    for i in range(count):
        if ellipsis >> i & 1:
            skipped = max(rank - named, 0)
            axis, place = axis + skipped, place + skipped
        elif new >> i & 1:
            spec.new.append(place)
            place += 1
        else:
            spec.sliced.append((i, axis))
            if shrink >> i & 1:
                spec.shrink.append(axis)
            else:
                place += 1
            axis += 1
    if axis > rank:
        raise op.error(f"slices {axis} dimensions of a tensor that has {rank}")
    return spec


@handles("STRIDED_SLICE")
def strided_slice(op: Operator) -> None:
    """Inputs: data, begin, end, strides. Bit i of a mask concerns entry i: begin and end are open, an ellipsis, a new
    axis of size 1, an index whose axis is dropped."""
    strides = op.integers(3, "strides")
    if 0 in strides:
        raise op.error("a stride of 0 is not possible")
    spec = _spec(op, len(strides))
    result = op.input(0)
    steps = [("Squeeze", spec.shrink), ("Unsqueeze", spec.new)]
    steps = [(name, axes) for name, axes in steps if axes]
    if spec.sliced:
        positions = [position for position, _ in spec.sliced]
        starts, ends = _bounds(op, positions, strides)
        axes = op.int64s([axis for _, axis in spec.sliced], "axes")
        by = op.int64s([strides[position] for position in positions], "steps")
        inputs = [result, starts, ends, axes, by]
        if not steps:
            op.node("Slice", inputs, [op.output()])
            return
        result = op.new("Slice", inputs)
    for name, axes_of_step in steps[:-1]:
        result = op.new(name, [result, op.int64s(axes_of_step, "axes")])
    if not steps:
        op.node("Identity", [result], [op.output()])
        return
    name, last = steps[-1]
    op.node(name, [result, op.int64s(last, "axes")], [op.output()])


def _bounds(op: Operator, positions: list[int], strides: list[int]) -> tuple[str, str]:
    """starts and ends of the entries that slice."""
    shrink = op.option("ShrinkAxisMask", 0)
    for position in positions:
        if shrink >> position & 1 and strides[position] < 0:
            raise op.unsupported("an index with a negative stride is not supported")
    if op.data(1) is not None and op.data(2) is not None:
        return _constant_bounds(op, positions, strides)
    return _computed_bounds(op, positions, strides)


def _open(op: Operator, mask: str, position: int) -> bool:
    return bool(op.option(mask, 0) >> position & 1)


def _constant_bounds(op: Operator, positions: list[int], strides: list[int]) -> tuple[str, str]:
    begin, end = op.integers(1, "begin"), op.integers(2, "end")
    if not len(begin) == len(end) == len(strides):
        raise op.error("begin, end and strides are not equally long")
    starts, ends = [], []
    for i in positions:
        forward = strides[i] > 0
        if _open(op, "ShrinkAxisMask", i):
            starts.append(begin[i])
            ends.append(begin[i] + 1 if begin[i] != -1 else INT64_MAX)
            continue
        if op.option("Offset", False):
            end[i] += begin[i]
        starts.append((0 if forward else INT64_MAX) if _open(op, "BeginMask", i) else begin[i])
        ends.append((INT64_MAX if forward else TO_FRONT) if _open(op, "EndMask", i) else end[i])
    return op.int64s(starts, "starts"), op.int64s(ends, "ends")


def _computed_bounds(op: Operator, positions: list[int], strides: list[int]) -> tuple[str, str]:
    """The same with begin or end known only once the model runs."""
    chosen = op.int64s(positions, "entries")
    begin, end = (op.new("Gather", [op.int64_input(i, hint), chosen], axis=0) for i, hint in ((1, "begin"), (2, "end")))
    if op.option("Offset", False):
        end = op.new("Add", [begin, end])
    after = op.new("Add", [begin, op.int64s([1], "one")])
    is_last = op.new("Equal", [begin, op.int64s([-1], "last")], bool)
    after = op.new("Where", [is_last, op.int64s([INT64_MAX], "end"), after], np.int64)
    forward = [strides[i] > 0 for i in positions]
    shrinks = [_open(op, "ShrinkAxisMask", i) for i in positions]
    first = op.int64s([0 if f else INT64_MAX for f in forward], "first")
    last = op.int64s([INT64_MAX if f else TO_FRONT for f in forward], "last")
    open_begin = [_open(op, "BeginMask", i) and not s for i, s in zip(positions, shrinks, strict=True)]
    open_end = [_open(op, "EndMask", i) and not s for i, s in zip(positions, shrinks, strict=True)]
    starts = op.new("Where", [op.constant(np.array(open_begin), "open_begin"), first, begin], np.int64)
    ends = op.new("Where", [op.constant(np.array(open_end), "open_end"), last, end], np.int64)
    ends = op.new("Where", [op.constant(np.array(shrinks), "shrink"), after, ends], np.int64)
    return starts, ends


@handles("REVERSE_SEQUENCE")
def reverse_sequence(op: Operator) -> None:
    """Inputs: data, lengths. The first lengths[b] steps of each index b of the batch axis are reversed."""
    rank = op.rank(0)
    batch, time = (op.axis(op.option(name, 0), rank) for name in ("BatchDim", "SeqDim"))
    if batch == time:
        raise op.error(f"its batch and its sequence are one axis, {batch}")
    if batch < 2 and time < 2:
        op.node("ReverseSequence", [op.input(0), op.input(1)], [op.output()], batch_axis=batch, time_axis=time)
        return
    perm = [batch, time, *(axis for axis in range(rank) if axis not in (batch, time))]
    data = op.new("Transpose", [op.input(0)], perm=perm)
    turned = op.new("ReverseSequence", [data, op.input(1)], batch_axis=0, time_axis=1)
    op.node("Transpose", [turned], [op.output()], perm=[perm.index(axis) for axis in range(rank)])
