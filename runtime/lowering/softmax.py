"""Softmax and LogSoftmax onto kernels/softmax.py: along rows, which other axes become by a transposed copy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from ..kernels.softmax import softmax_f32, softmax_groups_f32, softmax_int8
from ..ops import integer
from ..ops.registry import Context
from ..program.builder import Builder
from ..program.program import Call
from . import last_axis
from .registry import lowers

SMALL = 128 << 10
"""Bytes of a row's input and output that any device's caches hold, so that its profile is not asked."""
ALGORITHMS = ("two-pass", "two-pass-reload")
PART = 4096
"""Elements of short rows that make a chunk."""
SMALLEST_SCALE = 2.0**-20
"""Below this, probabilities over the scale come near the bounds of int32."""


@lowers("Softmax", "LogSoftmax")
def softmax(ctx: Context, b: Builder) -> bool:
    x, log = ctx.input(0), ctx.node.op == "LogSoftmax"
    if x.dtype == np.int8:
        return not log and _integer(ctx, b)
    if x.dtype != np.float32:
        return False
    source = last_axis.take(ctx, b)
    target = last_axis.result(ctx, b, source)
    n = source.shape[-1]
    work = 4 * source.size
    if n & (n - 1) == 0 and n <= b.tile_layout("f32").lanes:
        chunks = -(-source.size // PART)
        b.call(
            softmax_groups_f32, {"n": n, "log": log}, chunks, work=work, x=source.at(), y=target.at(),
            size=source.size, part=PART,
        )  # fmt: skip
    else:
        algorithm = ALGORITHMS[0 if log or 8 * n > max(SMALL, b.softmax_bytes) else 1]
        constants = {"algorithm": algorithm, "log": log, "streaming": False, "in_place": False}
        b.call(softmax_f32, constants, source.size // n, work=work, x=source.at(), y=target.at(), n=n)
    last_axis.put_back(ctx, b, target)
    return True


def alternatives(call: Call) -> list[Mapping[str, Any]]:
    """The constants of the call's kernel on any device, for kernel files, which must serve them all."""
    if call.kernel is not softmax_f32 or call.constants["log"] or 8 * call.numbers["n"] <= SMALL:
        return [call.constants]
    return [{**call.constants, "algorithm": algorithm} for algorithm in ALGORITHMS]


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
