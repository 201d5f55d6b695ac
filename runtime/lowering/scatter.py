"""ScatterElements and ScatterND onto kernels/scatter.py."""

from __future__ import annotations

from math import prod

import numpy as np

from ..kernels.scatter import scatter_elements, scatter_rows
from ..ops.registry import Context
from ..program.builder import Builder
from ..program.view import View
from .embedding import INDICES
from .gather import ELEMENT_WORK, OUTSIDE, ElementRows, coordinates
from .registry import lowers

WRITTEN = {1: "i8", 2: "i16", 4: "i32", 8: "i64"}
REDUCED = {np.dtype(np.float32): "f32", np.dtype(np.int32): "i32", np.dtype(np.int64): "i64"}
LIMITS = "int32 and int64 indices; reductions of float32, int32 and int64"


def _element(ctx: Context) -> str | None:
    """How kernels see the elements; None where there are none for them."""
    data, indices, updates = (ctx.input(index) for index in range(3))
    if indices.dtype not in INDICES or data.dtype.hasobject or data.quant is not None or updates.quant is not None:
        return None
    return WRITTEN.get(data.dtype.itemsize) if ctx.attrs["reduction"] == "none" else REDUCED.get(data.dtype)


def _copied(b: Builder) -> View:
    """The output, as the data are."""
    y = b.output(contiguous=True)
    b.copy(b.input(0), y)
    return y


@lowers("ScatterElements", limits=LIMITS)
def lower_elements(ctx: Context, b: Builder) -> bool:
    element, shape = _element(ctx), ctx.input(1).shape
    if element is None:
        return False
    x, updates, y = b.input(1, contiguous=True), b.input(2, contiguous=True), _copied(b)
    rows = ElementRows.of(b, y, shape, ctx.attrs["axis"])
    # Updates may be of one place where they differ along the axis alone: they are one thread's, in their order.
    chunks = prod(shape[: ctx.attrs["axis"] % len(shape)])
    if x.size // chunks % rows.width:
        chunks = 1
    b.call(
        scatter_elements,
        {"index": INDICES[x.dtype], "element": element, "reduction": ctx.attrs["reduction"]}, chunks, rows.sizes,
        work=ELEMENT_WORK * x.size, x=x.at(), updates=updates.at(), levels=rows.levels, y=y.at(), trap=b.trap(OUTSIDE),
        rows=x.size // chunks // rows.width,
    )  # fmt: skip
    return True


@lowers("ScatterND", limits=LIMITS)
def lower_nd(ctx: Context, b: Builder) -> bool:
    element, shape = _element(ctx), ctx.input(0).shape
    if element is None:
        return False
    x, updates, y = b.input(1, contiguous=True), b.input(2, contiguous=True), _copied(b)
    depth = x.shape[-1]
    size = prod(shape[depth:]) * y.itemsize
    b.call(
        scatter_rows,
        {
            "index": INDICES[x.dtype], "element": element, "single": size == y.itemsize,
            "reduction": ctx.attrs["reduction"],
        }, 1,
        work=updates.size * y.itemsize, x=x.at(), updates=updates.at(), axes=coordinates(b, shape[:depth], size),
        y=y.at(), trap=b.trap(OUTSIDE), count=x.size // depth, depth=depth, size=size,
    )  # fmt: skip
    return True
