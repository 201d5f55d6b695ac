"""ScatterElements and ScatterND onto kernels/scatter.py."""

from __future__ import annotations

from math import prod
from typing import NamedTuple

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


class _Scatter(NamedTuple):
    """x: the indices. y: the output, which is a copy of the data."""

    constants: dict[str, str]
    x: View
    updates: View
    y: View

    @classmethod
    def of(cls, ctx: Context, b: Builder) -> _Scatter | None:
        """None where there are no kernels for the elements or indices."""
        data, indices, updates = (ctx.input(index) for index in range(3))
        if indices.dtype not in INDICES or data.dtype.hasobject or data.quant is not None or updates.quant is not None:
            return None
        reduction = ctx.attrs["reduction"]
        element = WRITTEN.get(data.dtype.itemsize) if reduction == "none" else REDUCED.get(data.dtype)
        if element is None:
            return None
        x, values, y = b.input(1, contiguous=True), b.input(2, contiguous=True), b.output(contiguous=True)
        b.copy(b.input(0), y)
        return cls({"index": INDICES[indices.dtype], "element": element, "reduction": reduction}, x, values, y)


@lowers("ScatterElements", limits=LIMITS)
def lower_elements(ctx: Context, b: Builder) -> bool:
    found, shape = _Scatter.of(ctx, b), ctx.input(1).shape
    if found is None:
        return False
    constants, x, updates, y = found
    rows = ElementRows.of(b, y, shape, ctx.attrs["axis"])
    # Updates may be of one place where they differ along the axis alone: they are one thread's, in their order.
    chunks = prod(shape[: ctx.attrs["axis"] % len(shape)])
    if x.size // chunks % rows.width:
        chunks = 1
    b.call(
        scatter_elements, constants, chunks, rows.sizes, work=ELEMENT_WORK * x.size, x=x.at(), updates=updates.at(),
        levels=rows.levels, y=y.at(), trap=b.trap(OUTSIDE), rows=x.size // chunks // rows.width,
    )  # fmt: skip
    return True


@lowers("ScatterND", limits=LIMITS)
def lower_nd(ctx: Context, b: Builder) -> bool:
    found, shape = _Scatter.of(ctx, b), ctx.input(0).shape
    if found is None:
        return False
    constants, x, updates, y = found
    depth = x.shape[-1]
    size = prod(shape[depth:]) * y.itemsize
    b.call(
        scatter_rows, {**constants, "single": size == y.itemsize}, 1, work=updates.size * y.itemsize, x=x.at(),
        updates=updates.at(), axes=coordinates(b, shape[:depth], size), y=y.at(), trap=b.trap(OUTSIDE),
        count=x.size // depth, depth=depth, size=size,
    )  # fmt: skip
    return True
