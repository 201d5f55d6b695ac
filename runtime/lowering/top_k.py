"""TopK onto kernels/top_k.py."""

from __future__ import annotations

from math import prod

import numpy as np

from ..kernels.sorting import AROUND
from ..kernels.top_k import OVER, WIDE, top_k
from ..ops.registry import Context
from ..program.builder import Builder
from .registry import lowers

ELEMENTS = {
    np.dtype(np.float32): "f32", np.dtype(np.float64): "f64", np.dtype(np.int32): "i32", np.dtype(np.int64): "i64",
    np.dtype(np.uint8): "u8", np.dtype(np.int8): "i8",
}  # fmt: skip
LEAST_ROOM, ROOM = 16, 2
"""Entries among which the best k are found at least; and for each of these."""
MOST_SCRATCH = 256 << 20
WORK, SORTED_WORK = 2, 32
"""Multiply-adds that take as long as looking at an element, and as sorting in one among millions."""


@lowers("TopK")
def lower(ctx: Context, b: Builder) -> bool:
    data, shape = ctx.input(0), ctx.outputs[0].shape
    if data.dtype not in ELEMENTS or data.quant is not None:
        return False
    element, axis = ELEMENTS[data.dtype], ctx.attrs["axis"] % len(shape)
    n, k, inner = data.shape[axis], shape[axis], prod(shape[axis + 1 :])
    room = min(n, max(LEAST_ROOM, ROOM * k))
    apart = 16 * (room + OVER)
    scratch = AROUND + apart * (2 if element in WIDE else 1) + AROUND
    if scratch > MOST_SCRATCH:
        return False
    x, y = b.input(0, contiguous=True), b.output(contiguous=True)
    places = b.output(1, contiguous=True) if len(ctx.outputs) > 1 else b.temporary(shape, np.int64)
    outer = data.size // (n * inner)
    if inner > 1:
        rows = b.temporary((outer, inner, n), data.dtype)
        blocks = x.reshape((outer, n, inner))
        b.copy(blocks.part(rows.shape, (blocks.strides[0], blocks.strides[2], blocks.strides[1])), rows)
        x = rows
    b.call(
        top_k, {"element": element, "smallest": not ctx.attrs["largest"]}, outer * inner,
        work=outer * inner * (WORK * n + SORTED_WORK * room), x=x.at(), y=y.at(), places=places.at(),
        memory=b.scratch(scratch), apart=apart, n=n, k=k, room=room, inner=inner,
    )  # fmt: skip
    return True
