"""GATHER, GATHER_ND, TOPK_V2, ARG_MAX, ARG_MIN, ONE_HOT, CUMSUM, WHERE, UNIQUE, BUCKETIZE."""

from __future__ import annotations

import numpy as np

from ..handlers import handles
from ..operator import Operator


@handles("GATHER")
def gather(op: Operator) -> None:
    """Inputs: data, indices. The first batch_dims dimensions of both belong together."""
    rank = op.rank(0)
    axis = op.axis(op.option("Axis", 0), rank)
    batch = op.axis(op.option("BatchDims", 0), op.rank(1) + 1)
    if batch == 0:
        op.node("Gather", [op.input(0), op.input(1)], [op.output()], axis=axis)
        return
    if batch > axis:
        raise op.error(f"batch_dims {batch} is greater than axis {axis}")
    front = [*range(batch), axis, *(i for i in range(batch, rank) if i != axis)]
    data = op.input(0) if axis == batch else op.new("Transpose", [op.input(0)], perm=front)
    indices = op.new("Unsqueeze", [op.input(1), op.int64s([-1], "axes")])
    if axis == batch:
        op.node("GatherND", [data, indices], [op.output()], batch_dims=batch)
        return
    found = op.new("GatherND", [data, indices], op.value(data).dtype, batch_dims=batch)
    op.value(found).quant = op.value(data).quant
    width, before = op.rank(1) - batch, axis - batch
    after = rank - axis - 1
    leading, picked = list(range(batch)), list(range(batch, batch + width))
    rest = batch + width
    back = [*leading, *range(rest, rest + before), *picked, *range(rest + before, rest + before + after)]
    op.node("Transpose", [found], [op.output()], perm=back)


@handles("GATHER_ND")
def gather_nd(op: Operator) -> None:
    op.node("GatherND", [op.input(0), op.input(1)], [op.output()])


@handles("TOPK_V2")
def top_k(op: Operator) -> None:
    """Outputs: values, positions (int32 unless the file says otherwise)."""
    positions = op.output(1)
    found = op.temporary("positions", np.dtype(np.int64))
    op.node("TopK", [op.input(0), op.int64_input(1, "k")], [op.output(), found], axis=-1)
    op.node("Cast", [found], [positions], to=op.value(positions).dtype.name)


def _position(op: Operator, name: str) -> None:
    axis = op.axis(op.integer(1, "the axis"), op.rank(0))
    found = op.new(name, [op.input(0)], np.int64, axis=axis, keepdims=0)
    op.node("Cast", [found], [op.output()], to=op.value(op.output()).dtype.name)


@handles("ARG_MAX")
def arg_max(op: Operator) -> None:
    _position(op, "ArgMax")


@handles("ARG_MIN")
def arg_min(op: Operator) -> None:
    _position(op, "ArgMin")


@handles("ONE_HOT")
def one_hot(op: Operator) -> None:
    """Inputs: indices, depth, the value on, the value off."""
    one = op.int64s([1], "shape")
    off, on = (op.new("Reshape", [op.input(position), one]) for position in (3, 2))
    values = op.new("Concat", [off, on], axis=0)
    axis = op.axis(op.option("Axis", -1), op.rank(0) + 1)
    op.node("OneHot", [op.input(0), op.int64_input(1, "depth"), values], [op.output()], axis=axis)


@handles("CUMSUM")
def cumsum(op: Operator) -> None:
    exclusive, reverse = (int(op.option(name, False)) for name in ("Exclusive", "Reverse"))
    op.node("CumSum", [op.input(0), op.input(1)], [op.output()], exclusive=exclusive, reverse=reverse)


@handles("WHERE")
def where(op: Operator) -> None:
    """The coordinates of what is not zero, one row each. How many there are is known once the model runs."""
    found = op.new("NonZero", [op.plain_input(0)], np.int64)
    op.node("Transpose", [found], [op.output()], perm=[1, 0])


@handles("UNIQUE")
def unique(op: Operator) -> None:
    """Outputs: each element once, in the order in which they came first, and where each input element came to lie."""
    places = op.output(1)
    found = op.temporary("places", np.dtype(np.int64))
    op.node("Unique", [op.input(0)], [op.output(), "", found], sorted=0)
    op.node("Cast", [found], [places], to=op.value(places).dtype.name)


@handles("BUCKETIZE")
def bucketize(op: Operator) -> None:
    """How many of the boundaries lie at or below each element."""
    x = op.cast(op.real_input(0), np.float32)
    boundaries = op.constant(np.array(op.option("Boundaries", []), np.float32), "boundaries")
    above = op.new("GreaterOrEqual", [op.new("Unsqueeze", [x, op.int64s([-1], "last_axis")]), boundaries], bool)
    numbers = op.cast(above, np.int32)
    op.node("ReduceSum", [numbers, op.int64s([-1], "last_axis")], [op.output()], keepdims=0)
