"""Optional values: a tensor or a sequence that may be absent (runtime/boxed.py)."""

from __future__ import annotations

import numpy as np

from ..boxed import DTYPES, is_optional, name_of, optional_of, packed, unpacked
from .registry import Context, Inferred, Op, register


def infer_optional(ctx: Context) -> list[Inferred]:
    dtype = DTYPES.get(ctx.attrs["dtype"])
    if dtype is None or is_optional(dtype):
        raise ctx.error(f"dtype '{ctx.attrs['dtype']}' is none of a tensor's or a sequence's")
    value = ctx.optional(0)
    if value is not None and (value.dtype != dtype or value.quant is not None):
        raise ctx.error(f"'{value.name}' is {name_of(value.dtype)}, not {name_of(dtype)}")
    return [((0 if value is None else 1,), optional_of(dtype))]


def optional(value: np.ndarray | None = None, *, dtype: str) -> np.ndarray:
    """dtype: the value's, by its name in `boxed.DTYPES`."""
    return packed([] if value is None else [value], optional_of(DTYPES[dtype]))


def infer_has(ctx: Context) -> list[Inferred]:
    return [((), np.dtype(np.bool_))]


def optional_has_element(value: np.ndarray) -> np.ndarray:
    """A tensor or a sequence is there."""
    return np.array(not is_optional(value.dtype) or len(value) > 0)


def infer_get(ctx: Context) -> list[Inferred]:
    if not is_optional(ctx.input(0).dtype):
        return [(ctx.input(0).shape, ctx.input(0).dtype)]
    value = ctx.elements(0)
    return ctx.computed(lambda: [optional_get_element(value)])


def optional_get_element(value: np.ndarray) -> np.ndarray:
    if not is_optional(value.dtype):
        return value
    if not len(value):
        raise ValueError("the optional value that it reads is absent")
    return unpacked(value)[0]


register(Op("Optional", optional, infer_optional, text=True, sequences=True))
register(Op("OptionalHasElement", optional_has_element, infer_has, text=True, sequences=True))
register(Op("OptionalGetElement", optional_get_element, infer_get, text=True, sequences=True))
