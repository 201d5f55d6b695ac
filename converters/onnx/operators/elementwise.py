"""Elementwise operators whose older or wider forms differ from the graph's."""

from __future__ import annotations

from ..call import Call
from ..generic import known_attributes, pass_through
from ..handlers import handles

handles("Clip", since=11)(pass_through)


@handles("Clip")
def clip_6(call: Call) -> None:
    """Bounds were attributes."""
    dtype = call.dtype()
    bounds = [
        call.add_constant(call.number(name), name, dtype) if name in call.attrs else "" for name in ("min", "max")
    ]
    call.finish("Clip", [call.input(0), *bounds])


@handles("Sum")
def sum_(call: Call) -> None:
    _fold(call, "Add", call.outputs)


@handles("Mean")
def mean(call: Call) -> None:
    total = _fold(call, "Add")
    count = call.add_constant(len(call.inputs), "count", call.dtype())
    call.finish("Div", [total, count])


def _fold(call: Call, op: str, outputs: list[str] | None = None) -> str:
    """Applies a binary operator from left to right; the last result gets the name in outputs, if given."""
    result = call.input(0)
    for index in range(1, len(call.inputs)):
        if outputs and index == len(call.inputs) - 1:
            call.finish(op, [result, call.input(index)])
            return outputs[0]
        result = call.make(op, [result, call.input(index)])
    if outputs:
        call.finish("Identity", [result])
    return result


@handles("Swish")
def swish(call: Call) -> None:
    call.finish("SiLU", call.inputs, known_attributes(call, "SiLU"))


@handles("Scatter")
def scatter(call: Call) -> None:
    """ScatterElements' first name."""
    call.finish("ScatterElements", call.inputs, known_attributes(call, "ScatterElements"))
