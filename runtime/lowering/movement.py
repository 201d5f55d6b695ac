"""Operators that only rename, reorder or repeat elements: views where no byte moves, strided copies elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..ops.registry import Context
from ..program.builder import Builder
from ..program.view import View, dense
from .registry import lowers


def unchanged(ctx: Context) -> bool:
    """Whether stored elements are the output's: all tensors that carry data have the same quantization."""
    first = ctx.input(0)
    return all(out.quant == first.quant and out.dtype == first.dtype for out in ctx.outputs)


@lowers("Reshape", "Flatten", "Squeeze", "Unsqueeze")
def reshape(ctx: Context, b: Builder) -> bool:
    if not unchanged(ctx):
        return False
    b.alias(b.contiguous(b.stored(0)).reshape(ctx.outputs[0].shape))
    return True


@lowers("Identity")
def identity(ctx: Context, b: Builder) -> bool:
    if not unchanged(ctx):
        return False
    b.alias(b.stored(0))
    return True


@lowers("Transpose")
def transpose(ctx: Context, b: Builder) -> bool:
    if not unchanged(ctx):
        return False
    x = b.stored(0)
    perm = ctx.attrs["perm"] or list(reversed(range(len(x.shape))))
    b.copy(x.part(tuple(x.shape[i] for i in perm), tuple(x.strides[i] for i in perm)), b.output())
    return True


@lowers("Slice")
def slice_(ctx: Context, b: Builder) -> bool:
    if not unchanged(ctx):
        return False
    x = b.input(0)
    starts, ends = ctx.constant(1).reshape(-1), ctx.constant(2).reshape(-1)
    axes, steps = ctx.optional_constant(3), ctx.optional_constant(4)
    shape = ctx.outputs[0].shape
    offset, strides = 0, list(x.strides)
    for i, (start, end) in enumerate(zip(starts, ends, strict=True)):
        axis = i if axes is None else int(axes.reshape(-1)[i])
        step = 1 if steps is None else int(steps.reshape(-1)[i])
        first, _, _ = slice(int(start), int(end), step).indices(x.shape[axis])
        offset += first * x.strides[axis]
        # Of a single element's step nothing is left, however large it is.
        strides[axis] *= step if shape[axis] > 1 else 1
    alias_or_copy(ctx, b, x.part(shape, tuple(strides), offset), 0)
    return True


@lowers("Split")
def split(ctx: Context, b: Builder) -> bool:
    if not unchanged(ctx):
        return False
    x = b.input(0)
    axis = ctx.attrs["axis"] % len(x.shape)
    offset = 0
    for index, output in enumerate(ctx.outputs):
        alias_or_copy(ctx, b, x.part(output.shape, x.strides, offset), index)
        offset += output.shape[axis] * x.strides[axis]
    return True


@lowers("Concat")
def concat(ctx: Context, b: Builder) -> bool:
    out = ctx.outputs[0]
    inputs = [ctx.input(i) for i in range(len(ctx.inputs))]
    if ctx.attrs["activation"] is not None or any(t.quant != out.quant for t in inputs):
        return False
    y = b.output()
    axis = ctx.attrs["axis"] % len(out.shape)
    offset = 0
    for index, tensor in enumerate(inputs):
        if tensor.size:
            b.copy(b.stored(index), y.part(tensor.shape, y.strides, offset))
        offset += tensor.shape[axis] * y.strides[axis]
    return True


@lowers("Expand")
def expand(ctx: Context, b: Builder) -> bool:
    if not unchanged(ctx):
        return False
    b.copy(broadcast(b.input(0), ctx.outputs[0].shape), b.output())
    return True


@lowers("Pad", limits="no negative pads; reflect and wrap add no more than there is")
def pad(ctx: Context, b: Builder) -> bool:
    x, value, mode = ctx.input(0), ctx.optional(2), ctx.attrs["mode"]
    constant = mode == "constant"
    if not unchanged(ctx) or (constant and value is not None and value.data is None):
        return False
    if constant and value is not None and x.quant is not None and value.quant != x.quant:
        return False
    begins, ends = _widths(ctx)
    if min((*begins, *ends), default=0) < 0:
        return False
    # Beyond what there is once, elements repeat.
    repeats = any(max(width) > size - (mode == "reflect") for *width, size in zip(begins, ends, x.shape, strict=True))
    if mode in ("reflect", "wrap") and repeats:
        return False
    source, y = b.input(0), b.output()
    inside = y.part(x.shape, y.strides, int(np.dot(begins, y.strides)))
    if constant:
        zero = np.full(1, 0 if x.quant is None else x.quant.zero_point[0], x.dtype)
        _fill_around(b, y, inside, begins, zero if value is None else value.data.reshape(1))  # type: ignore[union-attr]
    b.copy(source, inside)
    if not constant:
        _copy_around(b, y, x.shape, begins, ends, mode)
    return True


def _widths(ctx: Context) -> tuple[list[int], list[int]]:
    """Elements before and behind, of each axis."""
    pads, axes, rank = ctx.constant(1).reshape(-1).tolist(), ctx.optional_constant(3), len(ctx.input(0).shape)
    begins, ends = [0] * rank, [0] * rank
    for i, axis in enumerate(range(rank) if axes is None else axes.reshape(-1).tolist()):
        begins[axis], ends[axis] = pads[i], pads[i + len(pads) // 2]
    return begins, ends


def _copy_around(
    b: Builder, y: View, sizes: Sequence[int], begins: Sequence[int], ends: Sequence[int], mode: str
) -> None:
    """Copies what lies inside of y to before and behind it, axis by axis; later ones take earlier ones along."""
    shape, offset = list(sizes), sum(begin * stride for begin, stride in zip(begins, y.strides, strict=True))
    for axis, (begin, end, size) in enumerate(zip(begins, ends, sizes, strict=True)):
        pitch = y.strides[axis]
        # Where each slab is, and the first element that it copies, counted from the first inside.
        first = {"reflect": (begin, size - 2), "edge": (0, size - 1), "wrap": (size - begin, 0)}[mode]
        step = {"reflect": -pitch, "edge": 0, "wrap": pitch}[mode]
        for width, at, source in ((begin, -begin, first[0]), (end, size, first[1])):
            if width:
                slab = (*shape[:axis], width, *shape[axis + 1 :])
                strides = (*y.strides[:axis], step, *y.strides[axis + 1 :])
                b.copy(y.part(slab, strides, offset + source * pitch), y.part(slab, y.strides, offset + at * pitch))
        shape[axis] += begin + end
        offset -= begin * pitch


def _fill_around(b: Builder, y: View, inside: View, begins: Sequence[int], filling: np.ndarray) -> None:
    """Fills what `inside` leaves of y: two slabs per dimension, each within what the dimensions before leave."""
    shape, offset = list(y.shape), 0
    for axis, begin in enumerate(begins):
        after = y.shape[axis] - int(begin) - inside.shape[axis]
        for size, at in ((int(begin), 0), (after, y.shape[axis] - after)):
            if size:
                slab = (*shape[:axis], size, *shape[axis + 1 :])
                b.fill(y.part(slab, y.strides, offset + at * y.strides[axis]), filling)
        shape[axis] = inside.shape[axis]
        offset += int(begin) * y.strides[axis]


@lowers("DepthToSpace", "SpaceToDepth")
def depth_space(ctx: Context, b: Builder) -> bool:
    if not unchanged(ctx):
        return False
    x, y = b.input(0, contiguous=True), b.output(contiguous=True)
    block, out = ctx.attrs["blocksize"], ctx.outputs[0].shape
    to_space = ctx.node.op == "DepthToSpace"
    n, height, width, _ = x.shape if to_space else out
    depth = out[3] if to_space else x.shape[3]
    spread = (n, height, block, width, block, depth)
    if ctx.attrs["mode"] == "DCR":
        middle, order = (n, height, width, block, block, depth), (0, 1, 3, 2, 4, 5)
    else:
        middle, order = (n, height, width, depth, block, block), (0, 1, 4, 2, 5, 3)
    deep = (x if to_space else y).reshape(middle)
    deep = deep.part(spread, tuple(deep.strides[i] for i in order))
    flat = (y if to_space else x).reshape(spread)
    b.copy(deep, flat) if to_space else b.copy(flat, deep)
    return True


def broadcast(x: View, shape: tuple[int, ...]) -> View:
    """The view with size-1 and missing leading dimensions repeated without memory."""
    if x.shape == shape and not x.border:
        return x
    lead = len(shape) - len(x.shape)
    strides = tuple(
        0 if i < lead or (x.shape[i - lead] == 1 and n != 1) else x.strides[i - lead] for i, n in enumerate(shape)
    )
    return x.part(shape, strides)


def alias_or_copy(ctx: Context, b: Builder, view: View, index: int) -> None:
    """Kernels want contiguous pixels, and each element at a place of its own; anything else is copied out at once."""
    inner = dense(view.shape, view.itemsize)[-1:] if view.shape else ()
    repeats = any(stride == 0 and n > 1 for n, stride in zip(view.shape, view.strides, strict=True))
    if view.size and not repeats and (not view.shape or view.strides[-1:] == inner or view.shape[-1] == 1):
        b.alias(view, index)
    elif view.size:
        b.copy(view, b.output(index))
