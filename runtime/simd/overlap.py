"""Whether a box overlaps one of several too much."""

from __future__ import annotations

from functools import cache
from typing import Any

from llvmlite import ir
from numba.core import types

from .horizontal import bits_of
from .vector import load_at, primitive, splat

FLOAT, I64 = ir.FloatType(), ir.IntType(64)


@cache
def overlaps(lanes: int, inclusive: bool) -> Any:
    """overlaps(boxes, run, top, left, bottom, right, area, most) -> not 0 where the intersection over union of the box
    with one of `lanes` others is more than `most`, or inclusive, as much. The others' tops lie at `boxes`, and `run`
    bytes apart from one another their lefts, bottoms, rights and areas. Without an area nothing overlaps."""
    kind = ir.VectorType(FLOAT, lanes)

    def emit(b: ir.IRBuilder, c: Any, k: Any, boxes: ir.Value, run: ir.Value, *box: ir.Value) -> ir.Value:
        theirs = [load_at(b, b.add(boxes, b.mul(run, I64(place))), kind) for place in range(5)]
        own = [splat(b, value, lanes) for value in box[:5]]
        most, zero = splat(b, box[5], lanes), ir.Constant(kind, [0.0] * lanes)

        def positive(x: ir.Value) -> ir.Value:
            return b.fcmp_ordered(">", x, zero)

        def common(low: int, high: int) -> ir.Value:
            """The length of what both have, along one axis."""
            first = b.select(b.fcmp_ordered(">", theirs[low], own[low]), theirs[low], own[low])
            last = b.select(b.fcmp_ordered("<", theirs[high], own[high]), theirs[high], own[high])
            return b.fsub(last, first)

        height, width = common(0, 2), common(1, 3)
        both = b.and_(positive(height), positive(width))
        shared = b.select(both, b.fmul(height, width), zero)
        union = b.fsub(b.fadd(theirs[4], own[4]), shared)
        able = b.and_(b.and_(positive(theirs[4]), positive(own[4])), positive(union))
        ratio = b.select(able, b.fdiv(shared, union), zero)
        # What is no number is suppressed by ONNX's rule, which keeps what is at most the threshold, not by TFLite's.
        beyond = b.fcmp_ordered(">=", ratio, most) if inclusive else b.fcmp_unordered(">", ratio, most)
        return bits_of(b, beyond)

    def result(boxes: Any, run: Any, top: Any, left: Any, bottom: Any, right: Any, area: Any, most: Any) -> types.Type:
        return types.int64

    return primitive(result, emit)
