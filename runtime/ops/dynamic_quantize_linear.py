"""DynamicQuantizeLinear: a tensor as bytes over its own range, which holds zero."""

from __future__ import annotations

import numpy as np

from .registry import Context, Inferred, Op, register

STEPS = np.float32(255)


def dynamic_quantize_linear(x: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x float32 -> y uint8 of its shape, y_scale float32 (), y_zero_point uint8 ().

    y = saturated(round half even(x / y_scale) + y_zero_point), as the ONNX specification says. Where all of x is zero,
    its scale is 0 and so is y; NaN, and infinity where the scale is infinite, are 0, and so is the zero point then.
    """
    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        low, high = np.minimum(x.min(initial=0), np.float32(0)), np.maximum(x.max(initial=0), np.float32(0))
        scale = (high - low) / STEPS
        divisor = scale if scale > 0 else np.float32(1)
        zero_point = np.clip(np.rint(np.nan_to_num(-low / divisor, nan=0.0)), 0, STEPS)
        y = np.nan_to_num(np.clip(np.rint(x / divisor) + zero_point, 0, STEPS), nan=0.0)
    return y.astype(np.uint8), np.asarray(scale, np.float32), zero_point.astype(np.uint8)


def infer(ctx: Context) -> list[Inferred]:
    x = ctx.input(0)
    if x.dtype != np.float32 or x.quant is not None:
        raise ctx.error(f"'{x.name}' is {x.dtype}, where float32 is rounded")
    return [(x.shape, np.dtype(np.uint8)), ((), x.dtype), ((), np.dtype(np.uint8))]


register(Op("DynamicQuantizeLinear", dynamic_quantize_linear, infer, keeps_shape=True))
