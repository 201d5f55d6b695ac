"""Shape: the tensor's dimensions from start up to end, as int64."""

from __future__ import annotations

import numpy as np

from .registry import Context, Inferred, Op, register


def infer(ctx: Context) -> list[Inferred]:
    dims = ctx.input(0).shape[ctx.attrs["start"] : ctx.attrs["end"]]
    return [((len(dims),), np.dtype(np.int64))]


def shape(data: np.ndarray, *, start: int = 0, end: int | None = None) -> np.ndarray:
    return np.array(data.shape[start:end], np.int64)


def quantized(ctx: Context, data: np.ndarray) -> np.ndarray:
    return shape(data, **ctx.attrs)


register(Op("Shape", shape, infer, quantized=quantized, shape_only=True, text=True))
