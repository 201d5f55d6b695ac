"""ArgMax and ArgMin onto kernels/positions.py."""

from __future__ import annotations

from math import prod

import numpy as np

from ..kernels.positions import position_across, position_in_rows
from ..kernels.quantized import cast
from ..ops.registry import Context
from ..program.builder import Builder
from .byte_views import element, is_byte
from .registry import lowers
from .row_layout import OperandRows

WIDE = {np.dtype(np.float32): "f32", np.dtype(np.int32): "i32"}
WORK = 2


@lowers("ArgMax", "ArgMin")
def lower(ctx: Context, b: Builder) -> bool:
    data, attrs = ctx.input(0), ctx.attrs
    if not (is_byte(data) or (data.dtype in WIDE and data.quant is None)):
        return False
    axis = attrs["axis"] % len(data.shape)
    n, inner = data.shape[axis], prod(data.shape[axis + 1 :])
    outer = data.size // (n * inner)
    x = b.input(0, contiguous=True)
    constants = {
        "element": WIDE.get(data.dtype) or element(x), "smallest": ctx.node.op == "ArgMin",
        "last": bool(attrs["select_last_index"]),
    }  # fmt: skip
    y = b.output(contiguous=True)
    if inner == 1:
        b.call(position_in_rows, constants, outer, work=WORK * data.size, x=x.at(), y=y.at(), n=n)
        return True
    found = b.temporary(y.shape, np.int32)
    b.call(position_across, constants, outer, work=WORK * data.size, x=x.at(), y=found.at(), n=n, inner=inner)
    OperandRows(b, [found], y).call(cast, {"source": "int32", "result": "int64"}, 1)
    return True
