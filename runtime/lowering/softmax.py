"""Softmax and LogSoftmax onto kernels/softmax.py: along rows, which other axes become by a transposed copy."""

from __future__ import annotations

import numpy as np

from ..kernels.softmax import softmax_int8
from ..ops import integer
from ..ops.registry import Context
from ..planner.builder import Builder
from . import last_axis
from .registry import lowers

SMALLEST_SCALE = 2.0**-20
"""Below this, probabilities over the scale come near the bounds of int32."""


@lowers("Softmax")
def softmax(ctx: Context, b: Builder) -> bool:
    if ctx.input(0).dtype == np.int8:
        return _integer(ctx, b)
    return False


def _integer(ctx: Context, b: Builder) -> bool:
    x, y = ctx.input(0), ctx.outputs[0]
    if x.quant is None or y.quant is None or x.quant.scale.size > 1 or y.quant.scale[0] < SMALLEST_SCALE:
        return False
    source = last_axis.take(ctx, b)
    target = last_axis.result(ctx, b, source)
    n = source.shape[-1]
    flip = 128 if target.flipped else 0
    table = integer.softmax_table(float(x.quant.scale[0]))
    count = source.size // n
    b.call(
        softmax_int8, {}, count, work=4 * source.size, x=source.at(), y=target.at(), table=b.constant(table),
        memory=b.scratch(4 * n + b.target.vector_bytes), n=n, scale=float(y.quant.scale[0]),
        zero_point=int(y.quant.zero_point[0]) + flip, low=flip - 128, high=flip + 127,
    )  # fmt: skip
    last_axis.put_back(ctx, b, target)
    return True
