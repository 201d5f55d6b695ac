"""MEAN, SUM and the other reductions. Inputs: data, axes."""

from __future__ import annotations

from ....runtime.graph import Attribute
from ..handlers import Handler, handles
from ..operator import Operator

REDUCTIONS = {
    "MEAN": "ReduceMean",
    "SUM": "ReduceSum",
    "REDUCE_MAX": "ReduceMax",
    "REDUCE_MIN": "ReduceMin",
    "REDUCE_PROD": "ReduceProd",
    "REDUCE_ANY": "ReduceMax",
    "REDUCE_ALL": "ReduceMin",
}
"""On booleans, max is "any" and min is "all"."""


def _reduction(name: str) -> Handler:
    def convert(op: Operator) -> None:
        axes = sorted({op.axis(axis, op.rank(0)) for axis in op.integers(1, "the axes")})
        if not axes:
            op.node("Identity", [op.input(0)], [op.output()])
            return
        attrs: dict[str, Attribute] = {"keepdims": int(op.option("KeepDims", False))}
        op.node(name, [op.input(0), op.int64s(axes, "axes")], [op.output()], **attrs)

    return convert


for _kind, _name in REDUCTIONS.items():
    handles(_kind)(_reduction(_name))
