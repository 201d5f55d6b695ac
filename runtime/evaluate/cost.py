"""What running a node's reference takes, estimated before it runs."""

from __future__ import annotations

from ..ops.registry import Context, Cost, Op

CALL = 20_000
"""Work of running any node."""
ELEMENT = 4
"""Work of an element of an input or output."""


def cost_of(op: Op, ctx: Context) -> Cost:
    """Of a node whose outputs are set."""
    written = sum(tensor.size for tensor in ctx.outputs)
    read = 0 if op.shape_only else sum(tensor.size for tensor in ctx.inputs if tensor is not None)
    own = op.cost(ctx) if op.cost is not None else Cost(0, sum(t.size * t.dtype.itemsize for t in ctx.outputs))
    each = max(ELEMENT, op.work or 0)
    return Cost(CALL + each * (written + read) + own.work, own.scratch)
