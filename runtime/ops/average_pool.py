"""AveragePool, channels-last."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from . import activation as act
from . import integer, quantized_node
from .max_pool import cost, infer_pool
from .registry import Context, Op, register
from .window import combine, counts, slide

UINT8_SHIFT = 128
"""From int8 to the uint8 that it stands for."""


def average_pool(
    x: np.ndarray,
    *,
    kernel_shape: Sequence[int],
    strides: Sequence[int] = (),
    pads: Sequence[int] = (),
    dilations: Sequence[int] = (),
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
    count_include_pad: int = 0,
    half_up: int = 0,
    activation: str | None = None,
    activation_params: Sequence[float] = (),
) -> np.ndarray:
    """x (N, *spatial, C), kernel_shape one size per spatial axis; padding counts as zeros if count_include_pad.

    half_up: round means of stored integers as those of the uint8 that the int8 stand for, where the quantization stays.
    """
    window = slide(x.shape[1:-1], kernel_shape, strides, dilations, pads, auto_pad, ceil_mode)
    wide = np.result_type(x.dtype, np.float32)
    total = combine(x.astype(wide, copy=False), window, np.add, 0)
    y = total / counts(window, x.shape[1:-1], bool(count_include_pad)).astype(wide)
    return act.apply(y, activation, activation_params).astype(x.dtype, copy=False)


def quantized(ctx: Context, x: np.ndarray) -> np.ndarray:
    """Same quantization in and out: `integer.average` of the stored integers, padding counted as the zero point.

    Otherwise float32(sum of (q - zero_point)) times float32(x.scale / y.scale / count), as in `integer.mean`.
    """
    target, qx, a = quantized_node.output_range(ctx), ctx.input(0).quant, ctx.attrs
    if target is None or qx is None:
        return NotImplemented
    spatial = x.shape[1:-1]
    window = slide(spatial, a["kernel_shape"], a["strides"], a["dilations"], a["pads"], a["auto_pad"], a["ceil_mode"])
    count = counts(window, spatial, bool(a["count_include_pad"]))
    total = combine(integer.centred(x, qx, np.int64), window, np.add, 0)
    qy, low, high = target
    dtype = ctx.outputs[0].dtype
    if qx == qy:
        # uint8 are never negative, so that away from zero is up.
        shift = UINT8_SHIFT if a["half_up"] else 0
        average = integer.average(total + count * (qx.zero_point[0] + shift), count) - shift
        return np.clip(average, low, high).astype(dtype)
    return integer.mean(total, count, qx, qy, low, high, dtype)


register(Op("AveragePool", average_pool, infer_pool, quantized=quantized, cost=cost))
