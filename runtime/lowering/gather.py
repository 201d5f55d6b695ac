"""Gather, GatherND and GatherElements onto kernels/gather.py."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from math import prod
from typing import NamedTuple

import numpy as np

from ..kernels.gather import gather, gather_elements
from ..ops.registry import Context
from ..program.builder import Builder
from ..program.view import Place, View, levels
from .embedding import INDICES
from .movement import alias_or_copy, unchanged
from .registry import lowers

ELEMENTS = (1, 2, 4, 8)
ELEMENT_WORK = 8
"""Bytes that are moved as fast as one element is that has an index of its own."""
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
    element = size if size == table.itemsize and size in ELEMENTS else 0
    b.call(
        gather, {"index": INDICES[indices.dtype], "element": element}, prod(outer) * rows, work=y.size * y.itemsize,
        x=x.at(), table=table.at(), axes=coordinates(b, axes, size), y=y.at(),
        trap=b.trap(OUTSIDE), count=rows, depth=len(axes),
        x_outer=0 if shared else rows * len(axes) * x.itemsize, table_outer=size * prod(axes), size=size,
    )  # fmt: skip
    if y is not final:
        b.copy(y, final)
    return True


def coordinates(b: Builder, axes: Sequence[int], size: int) -> Place:
    """What kernels are told of the axes that are indexed, the last of which is of rows of so many bytes."""
    pitches = [size * prod(axes[at + 1 :]) for at in range(len(axes))]
    return b.constant(np.array([*zip(axes, pitches, strict=True)], np.int64))


@lowers("GatherElements", limits="int32 and int64 indices")
def lower_elements(ctx: Context, b: Builder) -> bool:
    data, indices, result = ctx.input(0), ctx.input(1), ctx.outputs[0]
    if indices.dtype not in INDICES or data.dtype.itemsize not in ELEMENTS or data.dtype.hasobject:
        return False
    if not unchanged(ctx):
        return False
    x, source = b.input(1, contiguous=True), b.input(0)
    final = b.output(contiguous=True)
    y = final if final.flipped == source.flipped else b.temporary(result.shape, result.dtype, source.flipped)
    rows = ElementRows.of(b, source, indices.shape, ctx.attrs["axis"])
    b.call(
        gather_elements, {"index": INDICES[indices.dtype], "element": y.itemsize}, y.size // rows.width, rows.sizes,
        work=ELEMENT_WORK * y.size, x=x.at(), data=source.at(), levels=rows.levels, y=y.at(), trap=b.trap(OUTSIDE),
    )  # fmt: skip
    if y is not final:
        b.copy(y, final)
    return True


class ElementRows(NamedTuple):
    """Rows of so many indices along an axis of data. levels, sizes: what gather_elements is told of them."""

    levels: Place
    width: int
    sizes: dict[str, int]

    @classmethod
    def of(cls, b: Builder, data: View, indices: tuple[int, ...], axis: int) -> ElementRows:
        """Of indices that are no more than the data along any other axis."""
        axis %= len(indices)
        pitches = tuple(0 if at == axis else stride for at, stride in enumerate(data.strides))
        (*around, count), ((*outer, step),) = levels(indices, (pitches,))
        table = np.array([*zip(reversed(around), reversed(outer), strict=True)] or [(1, 0)], np.int64)
        sizes = {
            "depth": len(around), "count": count, "step": step, "pitch": data.strides[axis], "extent": data.shape[axis],
        }  # fmt: skip
        return cls(b.constant(table), count, sizes)
