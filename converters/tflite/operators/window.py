"""REDUCE_WINDOW, DILATE."""

from __future__ import annotations

import tflite

from ..handlers import handles
from ..operator import Operator

FUNCTIONS = {
    value: name.lower()
    for name, value in vars(tflite.ReduceWindowFunction).items()
    if isinstance(value, int) and name != "UNSUPPORTED"
}
_NAMES = {"minimum": "min", "maximum": "max"}


@handles("REDUCE_WINDOW")
def reduce_window(op: Operator) -> None:
    """Inputs: data, the initial value, and lists of window sizes, strides and dilations, one number for each axis."""
    function = FUNCTIONS.get(op.option("ReduceFunction"), "")
    if not function:
        raise op.unsupported("its function is none of the schema's")
    op.node(
        "ReduceWindow",
        [op.real_input(0), op.real_input(1)],
        [op.output()],
        function=_NAMES.get(function, function),
        window=op.integers(2, "the window"),
        strides=op.integers(3, "the strides"),
        dilations=op.integers(4, "the dilations"),
    )


@handles("DILATE")
def dilate(op: Operator) -> None:
    """Inputs: data, the dilation of each axis, what lies between elements."""
    op.node("Dilate", [op.input(0), op.input(2)], [op.output()], dilations=op.integers(1, "the dilations"))
