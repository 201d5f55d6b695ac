"""Reductions: axes were an attribute once."""

from __future__ import annotations

import numpy as np

from ..call import Call
from ..generic import known_attributes, pass_through
from ..handlers import handles

_SINCE_18 = (
    *("ReduceL1", "ReduceL2", "ReduceLogSum", "ReduceLogSumExp", "ReduceMax", "ReduceMean", "ReduceMin"),
    *("ReduceProd", "ReduceSumSquare"),
)

handles("ReduceSum", since=13)(pass_through)
handles(*_SINCE_18, since=18)(pass_through)


@handles("ReduceSum", *_SINCE_18)
def reduce_1(call: Call) -> None:
    axes = [call.add_constant(call.integers("axes"), "axes", np.int64)] if "axes" in call.attrs else []
    call.finish(call.op, [call.input(0), *axes], known_attributes(call, call.op, skip=("axes",)))
