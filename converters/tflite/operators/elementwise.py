"""Arithmetic of two tensors that broadcast, ADD_N, FAKE_QUANT."""

from __future__ import annotations

import numpy as np

from ....runtime.graph import Attribute
from ..handlers import Handler, handles
from ..operator import Operator

BINARY = {
    "ADD": "Add",
    "SUB": "Sub",
    "MUL": "Mul",
    "DIV": "Div",
    "POW": "Pow",
    "MINIMUM": "Min",
    "MAXIMUM": "Max",
}


def _binary(name: str, **attrs: Attribute) -> Handler:
    def convert(op: Operator) -> None:
        op.finish(name, [op.input(0), op.input(1)], **attrs)

    return convert


for _kind, _name in BINARY.items():
    handles(_kind)(_binary(_name))


@handles("ADD_N")
def add_n(op: Operator) -> None:
    """A chain of additions."""
    total = op.input(0)
    for position in range(1, op.input_count - 1):
        total = op.new("Add", [total, op.input(position)])
    if op.input_count == 1:
        op.node("Identity", [total], [op.output()])
    else:
        op.node("Add", [total, op.input(op.input_count - 1)], [op.output()])


@handles("SQUARED_DIFFERENCE")
def squared_difference(op: Operator) -> None:
    difference = op.new("Sub", [op.real_input(0), op.real_input(1)])
    op.finish_real(op.new("Mul", [difference, difference]))


@handles("FLOOR_DIV")
def floor_div(op: Operator) -> None:
    """Integers: (a - a mod b) / b, which is exact, as Div drops the fraction."""
    a, b = op.real_input(0), op.real_input(1)
    if op.value(a).dtype.kind == "f":
        op.finish_real(op.new("Floor", [op.new("Div", [a, b])]))
        return
    remainder = op.new("Mod", [a, b], fmod=0)
    op.finish("Div", [op.new("Sub", [a, remainder]), b])


@handles("FLOOR_MOD")
def floor_mod(op: Operator) -> None:
    """The remainder has the divisor's sign, for integers and floats."""
    op.finish_real(op.new("Mod", [op.real_input(0), op.real_input(1)], fmod=0))


@handles("ATAN2")
def atan2(op: Operator) -> None:
    """Inputs: y, x."""
    op.finish_real(op.new("Atan2", [op.real_input(0), op.real_input(1)]))


@handles("FAKE_QUANT")
def fake_quant(op: Operator) -> None:
    """Each number as the nearest of those that so many bits can tell apart within a range, which is moved so that zero
    is one of them."""
    low, high, bits = float(op.option("Min", 0.0)), float(op.option("Max", 0.0)), int(op.option("NumBits", 8))
    first, last = int(bool(op.option("NarrowRange", False))), 2**bits - 1
    if not 2 <= bits <= 16 or not low <= 0 <= high or low == high:
        raise op.unsupported(f"{bits} bits for {low} to {high} are not possible")
    scale = np.float32(np.float32(high - low) / np.float32(last - first))
    zero = np.float32(first) - np.float32(low) / scale
    middle = np.float32(np.clip(np.floor(zero + np.float32(0.5)), first, last))
    bounds = [(np.float32(edge) - middle) * scale for edge in (first, last)]
    least, most, step, half = (
        op.importer.shared(hint, np.array(number, np.float32))
        for hint, number in (("min", bounds[0]), ("max", bounds[1]), ("step", 1 / scale), ("half", 0.5))
    )
    shifted = op.new("Sub", [op.new("Clip", [op.input(0), least, most]), least])
    steps = op.new("Floor", [op.new("Add", [op.new("Mul", [shifted, step]), half])])
    op.node("Add", [op.new("Mul", [steps, op.importer.shared("scale", np.array(scale))]), least], [op.output()])
