"""Cast and CastLike onto kernels/quantized.py."""

from __future__ import annotations

from ..kernels.quantized import cast
from ..ops.registry import Context
from ..program.builder import Builder
from .movement import unchanged
from .registry import lowers
from .row_layout import OperandRows

WORK = 8
CASTABLE = frozenset({"float32", "int64", "int32", "int8", "uint8", "bool"})

HALVES = frozenset({"float16", "float32"})
"""Between them there are instructions, but on x86-64-v2."""


@lowers("Cast", "CastLike")
def lower(ctx: Context, b: Builder) -> bool:
    x, y = ctx.input(0), ctx.outputs[0]
    if not ctx.quantized and unchanged(ctx):
        b.alias(b.input(0))
        return True
    pair = {x.dtype.name, y.dtype.name}
    halves = pair == HALVES and (b.target.family == "arm" or "f16c" in b.target.features)
    if ctx.quantized or not (pair <= CASTABLE or halves) or not OperandRows.fit(y):
        return False
    source, to = b.input(0), b.output()
    OperandRows(b, [source], to).call(cast, {"source": x.dtype.name, "result": y.dtype.name}, WORK)
    return True
