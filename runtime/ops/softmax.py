"""Softmax and LogSoftmax along one axis."""

from __future__ import annotations

import numpy as np

from . import integer
from .checks import FLOATS, normalize_axis, require_kind
from .registry import Context, Inferred, Op, register


def softmax(x: np.ndarray, *, axis: int = -1) -> np.ndarray:
    wide = x.astype(np.result_type(x.dtype, np.float32), copy=False)
    exponentials = np.exp(wide - wide.max(axis=axis, keepdims=True, initial=-np.inf))
    return (exponentials / exponentials.sum(axis=axis, keepdims=True)).astype(x.dtype, copy=False)


def log_softmax(x: np.ndarray, *, axis: int = -1) -> np.ndarray:
    wide = x.astype(np.result_type(x.dtype, np.float32), copy=False)
    shifted = wide - wide.max(axis=axis, keepdims=True, initial=-np.inf)
    return (shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True))).astype(x.dtype, copy=False)


def quantized(ctx: Context, x: np.ndarray) -> np.ndarray:
    """`integer.softmax` with the table of the input's scale, of 8 bits."""
    qx, y = ctx.input(0).quant, ctx.outputs[0]
    if qx is None or y.quant is None or qx.scale.size > 1 or x.shape[ctx.attrs["axis"]] == 0 or x.dtype.itemsize > 1:
        return NotImplemented
    rows = np.moveaxis(x, ctx.attrs["axis"], -1)
    result = integer.softmax(rows, integer.softmax_table(qx.scale[0]), y.quant, y.dtype)
    return np.ascontiguousarray(np.moveaxis(result, -1, ctx.attrs["axis"]))


def infer(ctx: Context) -> list[Inferred]:
    x = ctx.input(0)
    normalize_axis(ctx, ctx.attrs["axis"], len(x.shape))
    return [(x.shape, require_kind(ctx, x, FLOATS))]


register(Op("Softmax", softmax, infer, quantized=quantized, keeps_shape=True, along_axis=True, non_negative=True))
register(Op("LogSoftmax", log_softmax, infer, keeps_shape=True, along_axis=True))
