"""EmbeddingLookup onto kernels/embedding.py."""

from __future__ import annotations

import numpy as np

from ..kernels.embedding import embedding_lookup
from ..ops.registry import Context
from ..program.builder import Builder
from .registry import lowers

INDICES = {np.dtype(np.int32): "i32", np.dtype(np.int64): "i64"}


@lowers("EmbeddingLookup")
def lower(ctx: Context, b: Builder) -> bool:
    indices, table = ctx.input(0), ctx.input(1)
    if indices.dtype not in INDICES or table.quant is not None:
        return False
    x, rows, y = b.input(0, contiguous=True), b.input(1, contiguous=True), b.output(contiguous=True)
    b.call(
        embedding_lookup, {"index": INDICES[indices.dtype]}, indices.size, work=y.size * y.itemsize,
        x=x.at(), table=rows.at(), y=y.at(), last=table.shape[0] - 1, size=table.shape[1] * y.itemsize,
    )  # fmt: skip
    return True
