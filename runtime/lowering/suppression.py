"""Non-maximum suppression onto kernels/suppression.py."""

from __future__ import annotations

import numpy as np

from ..kernels.suppression import RUNS, suppression
from ..ops.registry import Context
from ..program.builder import Builder
from ..program.view import Place, Shape, View
from .embedding import INDICES
from .registry import lowers

COMPARED, SORTED = 4, 64
"""In a call's work: of a pair of boxes, and of a box whose score is put in order."""
FLOAT32 = np.dtype(np.float32)


@lowers("ClassNonMaxSuppression", limits="float32")
def lower(ctx: Context, b: Builder) -> bool:
    if not _is_float(ctx, (0, 1, 3, 4)):
        return False
    centred, bounded = bool(ctx.attrs["center_point_box"]), ctx.optional(4) is not None
    return _emit(ctx, b, centred=centred, inclusive=False, bounded=bounded, scored=False)


@lowers("PaddedNonMaxSuppression", limits="float32, without a sigma")
def lower_padded(ctx: Context, b: Builder) -> bool:
    sigma = ctx.optional(5)
    soft = sigma is not None and (sigma.data is None or float(sigma.data.reshape(-1)[0]) > 0)
    if soft or not _is_float(ctx, (0, 1, 3, 4)):
        return False
    return _emit(ctx, b, centred=False, inclusive=True, bounded=True, scored=True)


def _is_float(ctx: Context, indices: tuple[int, ...]) -> bool:
    given = [ctx.optional(index) for index in indices]
    return all(tensor is None or (tensor.dtype == FLOAT32 and tensor.quant is None) for tensor in given)


def _emit(ctx: Context, b: Builder, centred: bool, inclusive: bool, bounded: bool, scored: bool) -> bool:
    most = ctx.optional(2)
    if most is None or most.dtype not in INDICES:
        return False
    scores = ctx.input(1)
    *_, classes, count = (1, *scores.shape)
    lists = scores.size // count
    y = b.output(0, contiguous=True)
    room = y.size // lists
    values = _output(b, 1, y.shape, FLOAT32) if scored else y
    counts = _output(b, 1 + scored, (lists,), np.dtype(np.int32))
    heap, run = 8 * count, 4 * room + b.target.vector_bytes
    constants = {
        "count_type": INDICES[most.dtype], "centred": centred, "inclusive": inclusive, "bounded": bounded,
        "scored": scored,
    }  # fmt: skip
    b.call(
        suppression, constants, lists, work=lists * count * (SORTED + COMPARED * room),
        boxes=b.input(0, contiguous=True).at(), scores=b.input(1, contiguous=True).at(), most=b.input(2).at(),
        iou=_number(b, 3), least=_number(b, 4), y=y.at(), values=values.at(), counts=counts.at(),
        heap=b.scratch(heap), taken=b.scratch(RUNS * run, heap), classes=classes, count=count, room=room, run=run,
    )  # fmt: skip
    return True


def _output(b: Builder, index: int, shape: Shape, dtype: np.dtype) -> View:
    """An output that nobody may have asked for."""
    return b.output(index, contiguous=True) if index < len(b.ctx.outputs) else b.temporary(shape, dtype)


def _number(b: Builder, index: int) -> Place:
    given = b.ctx.optional(index)
    return b.constant(np.zeros(1, np.float32)) if given is None else b.input(index).at()
