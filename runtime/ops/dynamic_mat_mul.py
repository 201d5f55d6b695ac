"""DynamicMatMul: rows of float32, each rounded to 8 bits over its own range, times int8 weights.

No operator of ONNX: it is what "dynamic quantization, per token" comes down to where nothing is known of the rows
before they are there.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from . import activation as act
from .conv import BLAS, exact_dtype
from .dynamic_quantize_linear import STEPS, dynamic_quantize_linear
from .registry import Context, Cost, Inferred, Op, register

SMALLEST = np.float32(2.0**-100)
"""Least range that a row is scaled to, so that neither its scale nor the scale's inverse leaves float32's range."""


def rounded_rows(a: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """a (..., K) float32 -> steps from each row's zero as float32 (..., K), and what a step is, float32 (..., 1).

    A row's 256 steps are from its least to its largest number, or zero. NaN is what a step is of a row with NaN or
    infinity, or whose range is beyond float32.
    """
    with np.errstate(invalid="ignore", over="ignore"):
        low, high = a.min(-1, keepdims=True, initial=0), a.max(-1, keepdims=True, initial=0)
        span = np.maximum(high - low, SMALLEST)
        factor, step = STEPS / span, span / STEPS + (span - span)
        zero = np.floor(-low * factor + np.float32(0.5))
        return np.nan_to_num(np.clip(np.rint(a * factor) + zero, 0, STEPS) - zero), step


def dynamic_mat_mul(
    a: np.ndarray,
    b: np.ndarray,
    b_scale: np.ndarray,
    bias: np.ndarray | None = None,
    *,
    whole: int = 0,
    w_zero_point: int = 0,
    activation: str | None = None,
    activation_params: Sequence[float] = (),
) -> np.ndarray:
    """a (..., M, K) float32, b (K, N) int8, b_scale (N,) float32 for its columns, bias (N,) float32.

    whole: a is rounded over its whole range instead, as DynamicQuantizeLinear does. w_zero_point: what b's integers are
    less, then.
    """
    if whole:
        y, step, zero_point = dynamic_quantize_linear(a)
        steps, scale = y.astype(np.float32) - zero_point, np.float32(step)
    else:
        steps, scale = rounded_rows(a)
    weights = less_zero_point(b, w_zero_point)
    dtype = exact_dtype(weights.astype(np.float64), (0,))
    sums = np.matmul(steps.astype(dtype), weights.astype(dtype)).astype(np.float32)
    with np.errstate(invalid="ignore", over="ignore"):
        y = sums * (scale * b_scale)
        return act.apply(y if bias is None else y + bias, activation, activation_params).astype(np.float32, copy=False)


def less_zero_point(w: np.ndarray, zero_point: int) -> np.ndarray:
    """int8 weights as the int16 that they stand for."""
    return np.subtract(w, zero_point, dtype=np.int16)


def check_zero_point(ctx: Context) -> None:
    """Weights are 8-bit numbers less a zero point of 8 bits."""
    if not -128 <= ctx.attrs["w_zero_point"] <= 127:
        raise ctx.error(f"w_zero_point {ctx.attrs['w_zero_point']} is no 8-bit integer")


def infer(ctx: Context) -> list[Inferred]:
    a, b, scale, bias = ctx.input(0), ctx.input(1), ctx.input(2), ctx.optional(3)
    if a.dtype != np.float32 or a.quant is not None or len(a.shape) < 2:
        raise ctx.error(f"'{a.name}' is {a.dtype} of shape {a.shape}, where rows of float32 are multiplied")
    check_zero_point(ctx)
    if ctx.attrs["w_zero_point"] and not ctx.attrs["whole"]:
        raise ctx.error("rows that are rounded each over its own range are multiplied by weights without a zero point")
    if b.dtype != np.int8 or b.quant is not None or len(b.shape) != 2:
        raise ctx.error(f"weights '{b.name}' are {b.dtype} of shape {b.shape}, where a matrix of plain int8 is needed")
    if a.shape[-1] != b.shape[0]:
        raise ctx.error(f"operands of shape {a.shape} and {b.shape} do not share the inner dimension")
    for tensor in (scale, bias):
        if tensor is not None and (tensor.dtype != np.float32 or tensor.shape != b.shape[1:]):
            raise ctx.error(f"'{tensor.name}' is {tensor.dtype} of shape {tensor.shape}, not a float32 for each column")
    act.check(ctx)
    return [((*a.shape[:-1], b.shape[1]), a.dtype)]


def macs(ctx: Context) -> int:
    return ctx.outputs[0].size * ctx.input(0).shape[-1]


def cost(ctx: Context) -> Cost:
    wide = 2 * ctx.input(0).size + ctx.input(1).size + 2 * ctx.outputs[0].size
    return Cost(macs(ctx) // BLAS, 8 * wide)


register(Op("DynamicMatMul", dynamic_mat_mul, infer, macs=macs, cost=cost))
