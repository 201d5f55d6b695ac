"""BITCAST, BITWISE_XOR, RIGHT_SHIFT."""

from __future__ import annotations

import numpy as np

from ..handlers import handles
from ..operator import Operator


@handles("BITCAST")
def bitcast(op: Operator) -> None:
    source, target = op.plain_input(0), op.value(op.output())
    if target.quant is not None:
        raise op.unsupported("its output is quantized")
    if op.value(source).dtype.itemsize != target.dtype.itemsize:
        raise op.unsupported(f"{op.value(source).dtype} and {target.dtype} are not of one size")
    op.node("BitCast", [source], [target.name], to=target.dtype.name)


@handles("BITWISE_XOR")
def bitwise_xor(op: Operator) -> None:
    op.node("BitwiseXor", [op.plain_input(0), op.plain_input(1)], [op.output()])


@handles("RIGHT_SHIFT")
def right_shift(op: Operator) -> None:
    """The sign fills what a negative number leaves. Distances are kept within the number's bits."""
    x, by = op.plain_input(0), op.plain_input(1)
    dtype = op.value(by).dtype
    low, high = (op.constant(np.array(n, dtype), "bound") for n in (0, 8 * op.value(x).dtype.itemsize - 1))
    op.node("BitShift", [x, op.new("Clip", [by, low, high])], [op.output()], direction="RIGHT")
