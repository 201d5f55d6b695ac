"""SELECT, comparisons and logic."""

from __future__ import annotations

from ..handlers import Handler, handles
from ..operator import Operator

BINARY = {
    "EQUAL": "Equal",
    "LESS": "Less",
    "LESS_EQUAL": "LessOrEqual",
    "GREATER": "Greater",
    "GREATER_EQUAL": "GreaterOrEqual",
    "LOGICAL_AND": "And",
    "LOGICAL_OR": "Or",
}


def _binary(name: str) -> Handler:
    def convert(op: Operator) -> None:
        op.node(name, [op.input(0), op.input(1)], [op.output()])

    return convert


for _kind, _name in BINARY.items():
    handles(_kind)(_binary(_name))


@handles("NOT_EQUAL")
def not_equal(op: Operator) -> None:
    op.node("Not", [op.new("Equal", [op.input(0), op.input(1)], bool)], [op.output()])


@handles("SELECT")
def select(op: Operator) -> None:
    """A condition of rank 1 chooses among whole entries of the first dimension."""
    condition, rank = op.input(0), op.rank(1)
    if op.rank(0) == 1 and rank > 1:
        condition = op.new("Reshape", [condition, op.int64s([-1] + [1] * (rank - 1), "shape")])
    op.node("Where", [condition, op.input(1), op.input(2)], [op.output()])


@handles("SELECT_V2")
def select_v2(op: Operator) -> None:
    op.node("Where", [op.input(0), op.input(1), op.input(2)], [op.output()])
