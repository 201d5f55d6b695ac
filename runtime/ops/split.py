"""Split: consecutive parts along an axis, of given sizes or num_outputs equal ones (the last may be smaller)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..errors import ModelError
from .checks import integer_vector, normalize_axis
from .registry import Context, Inferred, Op, register


def sizes(dim: int, split: list[int] | None, num_outputs: int | None, error: Callable[[str], Exception]) -> list[int]:
    """Sizes of the parts of a dimension of size dim; exactly one of split and num_outputs is given."""
    if (split is None) == (num_outputs is None):
        raise error("it needs either the input split or the attribute num_outputs")
    if split is None:
        if num_outputs is None or num_outputs < 1:
            raise error(f"num_outputs {num_outputs} must be at least 1")
        part = -(-dim // num_outputs)
        split = [part] * (num_outputs - 1) + [dim - part * (num_outputs - 1)]
    if sum(split) != dim or any(part < 0 for part in split):
        raise error(f"parts {split} do not make up a dimension of size {dim}")
    return split


def infer(ctx: Context) -> list[Inferred]:
    data = ctx.input(0)
    axis = normalize_axis(ctx, ctx.attrs["axis"], len(data.shape))
    count = ctx.attrs["num_outputs"]
    if count is not None and count != len(ctx.node.outputs):
        raise ctx.error(f"num_outputs is {count}, but the node has {len(ctx.node.outputs)} outputs")
    parts = sizes(data.shape[axis], integer_vector(ctx, 1), count, ctx.error)
    return [((*data.shape[:axis], part, *data.shape[axis + 1 :]), data.dtype) for part in parts]


def split(
    data: np.ndarray, split: np.ndarray | None = None, *, axis: int = 0, num_outputs: int | None = None
) -> tuple[np.ndarray, ...]:
    given = None if split is None else split.reshape(-1).tolist()
    parts = sizes(data.shape[axis], given, num_outputs, ModelError)
    return tuple(np.split(data, np.cumsum(parts[:-1], dtype=np.intp), axis))


register(Op("Split", split, infer, moves_data=True, text=True))
