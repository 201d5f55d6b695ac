"""DynamicConv: a convolution of float32 that is rounded to bytes over its own range, by weights of integers.

No operator of ONNX: it is what DynamicQuantizeLinear, ConvInteger and the products behind it come down to.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from . import activation as act
from .conv import check_window, convolve, cost, exact_dtype, macs
from .dynamic_mat_mul import check_zero_point, less_zero_point
from .dynamic_quantize_linear import dynamic_quantize_linear
from .registry import Context, Inferred, Op, register
from .window import slide


def dynamic_conv(
    x: np.ndarray,
    w: np.ndarray,
    w_scale: np.ndarray,
    bias: np.ndarray | None = None,
    *,
    strides: Sequence[int] = (),
    pads: Sequence[int] = (),
    dilations: Sequence[int] = (),
    group: int = 1,
    auto_pad: str = "NOTSET",
    w_zero_point: int = 0,
    activation: str | None = None,
    activation_params: Sequence[float] = (),
) -> np.ndarray:
    """x (N, *spatial, C) float32, w (O, *kernel, C/group) int8, less w_zero_point, w_scale (O,) and bias (O,)
    float32. Sums of the products of steps and weights are exact; they are rounded to float32 before they are scaled."""
    y, scale, zero_point = dynamic_quantize_linear(x)
    weights = less_zero_point(w, w_zero_point)
    dtype = exact_dtype(weights.astype(np.float64), tuple(range(1, w.ndim)))
    window = slide(x.shape[1:-1], w.shape[1:-1], strides, dilations, pads, auto_pad)
    sums = convolve(y.astype(dtype) - dtype(zero_point), weights.astype(dtype), window, group).astype(np.float32)
    with np.errstate(invalid="ignore", over="ignore"):
        real = sums * (scale * w_scale)
        return act.apply(real if bias is None else real + bias, activation, activation_params).astype(np.float32)


def infer(ctx: Context) -> list[Inferred]:
    x, w, scale, bias = ctx.input(0), ctx.input(1), ctx.input(2), ctx.optional(3)
    if x.dtype != np.float32 or x.quant is not None:
        raise ctx.error(f"'{x.name}' is {x.dtype}, where float32 is rounded")
    if w.dtype != np.int8 or w.quant is not None:
        raise ctx.error(f"weights '{w.name}' are {w.dtype}, where plain int8 are needed")
    shape = check_window(ctx, x, w)
    check_zero_point(ctx)
    for tensor in (scale, bias):
        if tensor is not None and (tensor.dtype != np.float32 or tensor.shape != w.shape[:1]):
            raise ctx.error(f"'{tensor.name}' is {tensor.dtype} of shape {tensor.shape}, not a float32 for each output")
    act.check(ctx)
    return [(shape, x.dtype)]


register(Op("DynamicConv", dynamic_conv, infer, macs=macs, cost=cost))
