"""Gather and GatherND onto kernels/gather.py."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import prod

import numpy as np

from ..kernels.gather import gather
from ..ops.registry import Context
from ..program.builder import Builder
from .embedding import INDICES
from .movement import alias_or_copy, unchanged
from .registry import lowers

ELEMENTS = (1, 2, 4, 8)
OUTSIDE = "index {} is out of range for a dimension of size {}"


@lowers("Gather", limits="int32 and int64 indices")
def lower(ctx: Context, b: Builder) -> bool:
    shape = ctx.input(0).shape
    axis = ctx.attrs["axis"] % len(shape)
    if _slice(ctx, b, axis):
        return True
    return _emit(ctx, b, shape[:axis], ctx.input(1).shape, shape[axis : axis + 1], shared=True)


def _slice(ctx: Context, b: Builder, axis: int) -> bool:
    """Constant indices in arithmetic progression."""
    indices, n = ctx.input(1).data, ctx.input(0).shape[axis]
    if not unchanged(ctx) or indices is None or indices.ndim > 1:
        return False
    places = [int(i) for i in indices.reshape(-1)]
    beyond = next((i for i in places if not -n <= i < n), None)
    if beyond is not None:
        raise ctx.error(f"index {beyond} is out of range for axis {axis} of {n} elements")
    places = [i % n for i in places]
    step = places[1] - places[0] if len(places) > 1 else 1
    if any(after - before != step for before, after in pairwise(places)):
        return False
    x = b.input(0)
    shape, strides = list(x.shape), list(x.strides)
    if indices.ndim:
        shape[axis], strides[axis] = len(places), step * x.strides[axis]
    else:
        del shape[axis], strides[axis]
    alias_or_copy(ctx, b, x.part(tuple(shape), tuple(strides), places[0] * x.strides[axis]), 0)
    return True


@lowers("GatherND", limits="int32 and int64 indices")
def lower_nd(ctx: Context, b: Builder) -> bool:
    shape, (*where, depth), batch = ctx.input(0).shape, ctx.input(1).shape, ctx.attrs["batch_dims"]
    return _emit(ctx, b, shape[:batch], where[batch:], shape[batch : batch + depth], shared=False)


def _emit(
    ctx: Context, b: Builder, outer: Sequence[int], where: Sequence[int], axes: Sequence[int], shared: bool
) -> bool:
    """outer, axes: the data's dimensions before those that are indexed, and these. where: the indices' own, of one of
    the outer ones. shared: whether all outer ones have the same indices."""
    data, indices, result = ctx.input(0), ctx.input(1), ctx.outputs[0]
    if indices.dtype not in INDICES or data.dtype.hasobject or not unchanged(ctx):
        return False
    x, table = b.input(1, contiguous=True), b.input(0, contiguous=True)
    final = b.output(contiguous=True)
    y = final if final.flipped == table.flipped else b.temporary(result.shape, result.dtype, table.flipped)
    rest = data.shape[len(outer) + len(axes) :]
    size, rows = prod(rest) * table.itemsize, prod(where)
    pitches = [size * prod(axes[at + 1 :]) for at in range(len(axes))]
    element = size if size == table.itemsize and size in ELEMENTS else 0
    b.call(
        gather, {"index": INDICES[indices.dtype], "element": element}, prod(outer) * rows, work=y.size * y.itemsize,
        x=x.at(), table=table.at(), axes=b.constant(np.array([*zip(axes, pitches, strict=True)], np.int64)), y=y.at(),
        trap=b.trap(OUTSIDE), count=rows, depth=len(axes),
        x_outer=0 if shared else rows * len(axes) * x.itemsize, table_outer=size * prod(axes), size=size,
    )  # fmt: skip
    if y is not final:
        b.copy(y, final)
    return True
