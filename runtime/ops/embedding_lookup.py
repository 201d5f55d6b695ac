"""EmbeddingLookup: the row of a table for each index, and its last row for an index that has none of the others.

No operator of ONNX: it is what the product of one-hot vectors with a matrix comes down to.
"""

from __future__ import annotations

import numpy as np

from .checks import INTEGERS, require_kind
from .registry import Context, Inferred, Op, register


def infer(ctx: Context) -> list[Inferred]:
    indices, table = ctx.input(0), ctx.input(1)
    require_kind(ctx, indices, INTEGERS)
    if len(table.shape) != 2 or not table.shape[0]:
        raise ctx.error(f"a table of shape {table.shape} is no matrix with a row")
    return [((*indices.shape, table.shape[1]), table.dtype)]


def embedding_lookup(indices: np.ndarray, table: np.ndarray) -> np.ndarray:
    """table: (n + 1, width), of whose rows 0 to n - 1 have an index."""
    last = table.shape[0] - 1
    known = (indices >= 0) & (indices < last)
    return np.asarray(table[np.where(known, indices, last).astype(np.int64)])


register(Op("EmbeddingLookup", embedding_lookup, infer))
