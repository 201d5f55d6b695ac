"""RFFT2D and what is made of complex numbers: COMPLEX_ABS, REAL, IMAG."""

from __future__ import annotations

import numpy as np

from ..handlers import handles
from ..operator import Operator


@handles("RFFT2D")
def rfft2d(op: Operator) -> None:
    """Inputs: data, the lengths of the transforms along the last two axes. Along the last one, the frequencies that the
    others follow from."""
    lengths = op.integers(1, "the lengths of the transform")
    if len(lengths) != 2 or op.rank(0) < 2:
        raise op.error(f"lengths {lengths} do not fit an input of rank {op.rank(0)}")
    x = op.new("Unsqueeze", [op.real_input(0), op.int64s([-1], "last_axis")])
    height, width = (op.constant(np.array(length, np.int64), "length") for length in lengths)
    along = [op.constant(np.array(axis, np.int64), "axis") for axis in (-3, -2)]
    if lengths[0] == op.shape(0)[-2] == 1:
        op.node("DFT", [x, width, along[1]], [op.output(pairs=True)], onesided=1)
        return
    rows = op.new("DFT", [x, width, along[1]], onesided=1)
    op.node("DFT", [rows, height, along[0]], [op.output(pairs=True)])


@handles("COMPLEX_ABS")
def complex_abs(op: Operator) -> None:
    op.node("ReduceL2", [op.input(0, pairs=True), op.int64s([-1], "last_axis")], [op.output()], keepdims=0)


@handles("REAL", "IMAG")
def part(op: Operator) -> None:
    index = op.constant(np.array(op.kind == "IMAG", np.int64), "part")
    op.node("Gather", [op.input(0, pairs=True), index], [op.output()], axis=-1)
