"""Sequences of tensors, all of one dtype and of any shapes: made, read, changed.

A sequence is an array of one dimension (runtime/boxed.py). Positions count from the end where they are negative.
"""

from __future__ import annotations

import numpy as np

from ..boxed import DTYPES, TEXT, holds, is_boxed, is_sequence, name_of, packed, sequence_of, unpacked
from .checks import INTEGERS, normalize_axis, require_kind
from .registry import Context, Inferred, Op, Tensor, register

MOST_ITEMS = 1 << 16
"""Of a sequence: each takes some hundred bytes, however small it is, and who appends to one copies it."""


def sequence(ctx: Context, index: int = 0) -> Tensor:
    """The sequence at an input."""
    tensor = ctx.input(index)
    if not is_sequence(tensor.dtype):
        raise ctx.error(f"'{tensor.name}' is {name_of(tensor.dtype)}, not a sequence")
    return tensor


def infer_construct(ctx: Context) -> list[Inferred]:
    dtype = DTYPES.get(ctx.attrs["dtype"])
    if dtype is None or (is_boxed(dtype) and dtype != TEXT):
        raise ctx.error(f"dtype '{ctx.attrs['dtype']}' is none of a tensor's")
    for index in range(len(ctx.inputs)):
        _require(ctx, ctx.input(index), dtype)
    return [((len(ctx.inputs),), sequence_of(dtype))]


def _require(ctx: Context, tensor: Tensor, dtype: np.dtype) -> None:
    if tensor.dtype != dtype or tensor.quant is not None:
        raise ctx.error(f"'{tensor.name}' is {name_of(tensor.dtype)}, in a sequence of {name_of(dtype)}")


def sequence_construct(*items: np.ndarray, dtype: str) -> np.ndarray:
    """dtype: the items', by its name in `boxed.DTYPES`."""
    return packed(items, sequence_of(DTYPES[dtype]))


def place(position: np.ndarray | None, count: int, last: int) -> int:
    """A position among `count` items from the front; the last one where none is given. ValueError where there is no
    such position up to `last`."""
    if position is None:
        return last
    if position.size != 1:
        raise ValueError(f"a position is one number, not {position.size}")
    found = int(position.reshape(-1)[0])
    if not -count <= found <= last:
        raise ValueError(f"there is no position {found} in {count} items")
    return found + count if found < 0 else found


def infer_at(ctx: Context) -> list[Inferred]:
    sequence(ctx)
    require_kind(ctx, ctx.input(1), INTEGERS)
    items, position = ctx.elements(0), ctx.elements(1)
    return ctx.computed(lambda: [sequence_at(items, position)])


def sequence_at(items: np.ndarray, position: np.ndarray) -> np.ndarray:
    return unpacked(items)[place(position, len(items), len(items) - 1)]


def infer_insert(ctx: Context) -> list[Inferred]:
    items = sequence(ctx)
    _require(ctx, ctx.input(1), holds(items.dtype))
    if ctx.optional(2) is not None:
        require_kind(ctx, ctx.input(2), INTEGERS)
    if items.shape[0] >= MOST_ITEMS:
        raise ctx.error(f"a sequence of more than {MOST_ITEMS} items")
    return [((items.shape[0] + 1,), items.dtype)]


def sequence_insert(items: np.ndarray, item: np.ndarray, position: np.ndarray | None = None) -> np.ndarray:
    at = place(position, len(items), len(items))
    return np.concatenate([items[:at], packed([item], items.dtype), items[at:]])


def infer_erase(ctx: Context) -> list[Inferred]:
    items = sequence(ctx)
    if ctx.optional(1) is not None:
        require_kind(ctx, ctx.input(1), INTEGERS)
    if not items.shape[0]:
        raise ctx.error("the sequence that it erases from is empty")
    return [((items.shape[0] - 1,), items.dtype)]


def sequence_erase(items: np.ndarray, position: np.ndarray | None = None) -> np.ndarray:
    at = place(position, len(items), len(items) - 1)
    return np.concatenate([items[:at], items[at + 1 :]])


def infer_length(ctx: Context) -> list[Inferred]:
    sequence(ctx)
    return [((), np.dtype(np.int64))]


def sequence_length(items: np.ndarray) -> np.ndarray:
    return np.array(len(items), np.int64)


def infer_split(ctx: Context) -> list[Inferred]:
    data = ctx.input(0)
    normalize_axis(ctx, ctx.attrs["axis"], len(data.shape))
    if ctx.optional(1) is not None:
        require_kind(ctx, ctx.input(1), INTEGERS)
    split = None if ctx.optional(1) is None else ctx.elements(1)
    if data.quant is not None or (is_boxed(data.dtype) and data.dtype != TEXT):
        raise ctx.error(f"'{data.name}' is no plain tensor")
    try:
        sizes = _sizes(data.shape[ctx.attrs["axis"]], split)
    except ValueError as problem:
        raise ctx.error(str(problem)) from None
    return [((len(sizes),), sequence_of(data.dtype))]


def _sizes(size: int, split: np.ndarray | None) -> list[int]:
    """Of the parts: 1 each without split, at most one number each, or these. ValueError where they do not fit."""
    if split is None or split.ndim == 0:
        step = 1 if split is None else int(split)
        if step < 1 or -(-size // step) > MOST_ITEMS:
            raise ValueError(f"a dimension of size {size} cannot be split into parts of {step}")
        return [min(step, size - start) for start in range(0, size, step)]
    sizes = [int(part) for part in split.reshape(-1)]
    if sum(sizes) != size or min(sizes, default=0) < 0 or len(sizes) > MOST_ITEMS:
        raise ValueError(f"parts {sizes!s:.60} do not make up a dimension of size {size}")
    return sizes


def split_to_sequence(
    data: np.ndarray, split: np.ndarray | None = None, *, axis: int = 0, keepdims: int = 1
) -> np.ndarray:
    """split: the size of each part but the last, or the sizes of all. Without it every part is of size 1, and the
    axis goes where keepdims is 0."""
    sizes = _sizes(data.shape[axis], split)
    parts = np.split(data, np.cumsum(sizes[:-1], dtype=np.intp), axis) if sizes else []
    if split is None and not keepdims:
        parts = [np.squeeze(part, axis) for part in parts]
    return packed(parts, sequence_of(data.dtype))


def infer_concat(ctx: Context) -> list[Inferred]:
    sequence(ctx)
    items = ctx.elements(0)
    return ctx.computed(lambda: [concat_from_sequence(items, **ctx.attrs)])


def concat_from_sequence(items: np.ndarray, *, axis: int, new_axis: int = 0) -> np.ndarray:
    """Along the axis, or along a new one."""
    found = unpacked(items)
    if not found:
        raise ValueError("the sequence that it reads is empty")
    return np.stack(found, axis) if new_axis else np.concatenate(found, axis)


register(Op("SequenceConstruct", sequence_construct, infer_construct, text=True))
register(Op("SequenceAt", sequence_at, infer_at, sequences=True))
register(Op("SequenceInsert", sequence_insert, infer_insert, text=True, sequences=True))
register(Op("SequenceErase", sequence_erase, infer_erase, sequences=True))
register(Op("SequenceLength", sequence_length, infer_length, sequences=True))
register(Op("SplitToSequence", split_to_sequence, infer_split, text=True))
register(Op("ConcatFromSequence", concat_from_sequence, infer_concat, sequences=True))
