"""Arithmetic of two tensors that broadcast."""

from __future__ import annotations

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
