"""DFT: the axis was an attribute once."""

from __future__ import annotations

import numpy as np

from ..call import Call
from ..generic import known_attributes, pass_through
from ..handlers import handles

handles("DFT", since=20)(pass_through)


@handles("DFT", since=17)
def dft_17(call: Call) -> None:
    axis = call.add_constant(call.integer("axis", 1), "axis", np.int64)
    call.finish("DFT", [call.input(0), call.optional(1), axis], known_attributes(call, "DFT", skip=("axis",)))
