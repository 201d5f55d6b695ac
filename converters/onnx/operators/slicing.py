"""Slice, Split, Pad, Squeeze, Unsqueeze, TopK: what were attributes became inputs."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..call import Call
from ..generic import pass_through
from ..handlers import handles
from ..job import Unsupported

handles("Slice", "TopK", since=10)(pass_through)
handles("Pad", since=11)(pass_through)
handles("Squeeze", "Unsqueeze", since=13)(pass_through)


def constant_ints(call: Call, name: str, values: Sequence[int]) -> str:
    return call.add_constant(values, name, np.int64)


@handles("Slice")
def slice_1(call: Call) -> None:
    starts, ends = call.integers("starts"), call.integers("ends")
    axes = call.integers("axes", range(len(starts)))
    parts = (("starts", starts), ("ends", ends), ("axes", axes))
    call.finish("Slice", [call.input(0), *(constant_ints(call, name, values) for name, values in parts)])


@handles("Squeeze", "Unsqueeze")
def squeeze_1(call: Call) -> None:
    axes = [constant_ints(call, "axes", call.integers("axes"))] if "axes" in call.attrs else []
    call.finish(call.op, [call.input(0), *axes])


@handles("Split")
def split_2(call: Call) -> None:
    sizes = [constant_ints(call, "split", call.integers("split"))] if "split" in call.attrs else []
    _split(call, sizes)


@handles("Split", since=13)
def split_13(call: Call) -> None:
    _split(call, [call.inputs[1]] if call.has(1) else [])


def _split(call: Call, sizes: list[str]) -> None:
    count = call.integer("num_outputs", len(call.outputs))
    if count != len(call.outputs):
        raise Unsupported(f"num_outputs is {count}, but it has {len(call.outputs)} outputs")
    call.outputs = [name or call.scope.job.unique(f"{call.name}.unused") for name in call.outputs]
    attrs = {"axis": call.integer("axis", 0)} | ({} if sizes else {"num_outputs": count})
    call.finish("Split", [call.input(0), *sizes], attrs)


@handles("Pad")
def pad_2(call: Call) -> None:
    fill = call.add_constant(call.number("value", 0.0), "value", call.dtype())
    pads = constant_ints(call, "pads", call.integers("pads"))
    call.finish("Pad", [call.input(0), pads, fill], {"mode": call.text("mode", "constant")})


@handles("TopK")
def top_k_1(call: Call) -> None:
    k = constant_ints(call, "k", [call.integer("k")])
    call.finish("TopK", [call.input(0), k], {"axis": call.integer("axis", -1)})


@handles("Transpose")
def transpose(call: Call) -> None:
    """Without perm the axes are reversed."""
    rank = call.rank()
    if "perm" not in call.attrs and rank is None:
        call.finish("Transpose", call.inputs)
    else:
        call.finish("Transpose", call.inputs, {"perm": call.integers("perm", range(rank or 0)[::-1])})
