"""Operators along one axis, whose kernels want it last and contiguous: other axes are moved there and back."""

from __future__ import annotations

from ..ops.registry import Context
from ..program.builder import Builder
from ..program.view import View


def take(ctx: Context, b: Builder) -> View:
    """The first input, contiguous, with the node's axis moved to the end."""
    x = ctx.input(0)
    axis = ctx.attrs["axis"] % len(x.shape)
    if axis == len(x.shape) - 1:
        return b.input(0, contiguous=True)
    moved = _move(b.input(0), axis)
    rows = b.temporary(moved.shape, moved.dtype, moved.flipped)
    b.copy(moved, rows)
    return rows


def result(ctx: Context, b: Builder, rows: View) -> View:
    """Memory for results laid out as `rows`: the output itself where the axis is the last."""
    if ctx.attrs["axis"] % len(rows.shape) == len(rows.shape) - 1:
        return b.output(contiguous=True)
    return b.temporary(rows.shape, rows.dtype, rows.flipped)


def put_back(ctx: Context, b: Builder, rows: View) -> None:
    """Copies results to the output with the axis back in its place, where they are not there yet."""
    axis = ctx.attrs["axis"] % len(rows.shape)
    if axis != len(rows.shape) - 1:
        b.copy(rows, _move(b.output(), axis))


def _move(view: View, axis: int) -> View:
    order = [i for i in range(len(view.shape)) if i != axis] + [axis]
    shape, strides = tuple(view.shape[i] for i in order), tuple(view.strides[i] for i in order)
    return view.part(shape, strides)
