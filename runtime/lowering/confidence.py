"""The gates of cascades onto kernels/confidence.py."""

from __future__ import annotations

import math

from ..kernels.confidence import confidence_gate, most_confident
from ..ops.registry import Context
from ..program.builder import Builder
from .registry import lowers


@lowers("ConfidenceGate")
def gate(ctx: Context, b: Builder) -> bool:
    z, p = b.input(0, contiguous=True), b.input(1, contiguous=True)
    b.call(
        confidence_gate, {"score": ctx.attrs["score"]}, 1, z=z.at(), p=p.at(), y=b.output(contiguous=True).at(),
        n=p.size, threshold=float(ctx.attrs["threshold"]), share=1 / math.log(p.size), stage=int(ctx.attrs["stage"]),
    )  # fmt: skip
    return True


@lowers("MostConfident")
def choose(ctx: Context, b: Builder) -> bool:
    if len(ctx.outputs) < 2:
        return False
    p, r, q, s = (b.input(i, contiguous=True) for i in range(4))
    y, t = b.output(0, contiguous=True), b.output(1, contiguous=True)
    b.call(
        most_confident, {"post_check": bool(ctx.attrs["post_check"])}, 1, p=p.at(), r=r.at(), q=q.at(), s=s.at(),
        y=y.at(), t=t.at(), n=p.size, stage=int(ctx.attrs["stage"]),
    )  # fmt: skip
    return True
