"""PAD, PADV2, MIRROR_PAD. The pads are a matrix: per dimension, elements before and after."""

from __future__ import annotations

import numpy as np

from ..handlers import handles
from ..operator import Operator
from ..schema import MIRROR_MODES


@handles("PAD", "PADV2")
def pad(op: Operator) -> None:
    """PADV2's third input is the value to pad with, else it is zero."""
    value = [op.input(2)] if op.kind == "PADV2" else []
    op.node("Pad", [op.input(0), _pads(op), *value], [op.output()], mode="constant")


def _pads(op: Operator) -> str:
    """All elements before, then all after."""
    if op.data(1) is None:
        by_side = op.new("Transpose", [op.input(1)], perm=[1, 0])
        return op.cast(op.new("Reshape", [by_side, op.int64s([-1], "flat")]), np.int64)
    before, after = _constant_pads(op)
    return op.int64s([*before, *after], "pads")


def _constant_pads(op: Operator) -> tuple[list[int], list[int]]:
    pads = op.integers(1, "the pads")
    if len(pads) != 2 * op.rank(0) or min(pads, default=0) < 0:
        raise op.error(f"pads {pads} do not fit a tensor of rank {op.rank(0)}")
    return pads[::2], pads[1::2]


@handles("MIRROR_PAD")
def mirror_pad(op: Operator) -> None:
    """REFLECT leaves out the edge itself; SYMMETRIC repeats it, for which ONNX has no mode: slices are joined."""
    mode = MIRROR_MODES.get(op.option("Mode", 0), "")
    if mode == "REFLECT":
        op.node("Pad", [op.input(0), _pads(op)], [op.output()], mode="reflect")
        return
    if mode != "SYMMETRIC":
        raise op.unsupported("its mode is neither REFLECT nor SYMMETRIC")
    result = op.input(0)
    for axis, (before, after) in enumerate(zip(*_constant_pads(op), strict=True)):
        parts = [result]
        if before:
            parts.insert(0, _backwards(op, result, axis, before - 1, -(2**62)))
        if after:
            parts.append(_backwards(op, result, axis, -1, -after - 1))
        if len(parts) > 1:
            result = op.new("Concat", parts, axis=axis)
    op.node("Identity", [result], [op.output()])


def _backwards(op: Operator, name: str, axis: int, start: int, end: int) -> str:
    numbers = ((start, "starts"), (end, "ends"), (axis, "axes"), (-1, "steps"))
    return op.new("Slice", [name, *(op.int64s([number], hint) for number, hint in numbers)])
