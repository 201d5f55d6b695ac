"""MaxPool, channels-last: the largest value of every window (without the indices that ONNX can also return)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from . import activation as act
from . import integer, quantized_node
from .checks import NUMBERS, require_kind
from .registry import Context, Cost, Inferred, Op, register
from .window import Window, combine, combining, slide, window_of


def lowest(dtype: np.dtype) -> float | int:
    return -np.inf if dtype.kind == "f" else int(np.iinfo(dtype).min)


def pool(x: np.ndarray, window: Window) -> np.ndarray:
    return combine(x, window, np.maximum, lowest(x.dtype))


def max_pool(
    x: np.ndarray,
    *,
    kernel_shape: Sequence[int],
    strides: Sequence[int] = (),
    pads: Sequence[int] = (),
    dilations: Sequence[int] = (),
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
    activation: str | None = None,
    activation_params: Sequence[float] = (),
) -> np.ndarray:
    """x (N, *spatial, C), kernel_shape one size per spatial axis. Padding never wins; a NaN in a window does."""
    window = slide(x.shape[1:-1], kernel_shape, strides, dilations, pads, auto_pad, ceil_mode)
    return act.apply(pool(x, window), activation, activation_params).astype(x.dtype, copy=False)


def quantized(ctx: Context, x: np.ndarray) -> np.ndarray:
    """The largest stored integer, clamped; requantized where the output has another quantization."""
    target, qx, a = quantized_node.output_range(ctx), ctx.input(0).quant, ctx.attrs
    if target is None or qx is None:
        return NotImplemented
    window = slide(
        x.shape[1:-1], a["kernel_shape"], a["strides"], a["dilations"], a["pads"], a["auto_pad"], a["ceil_mode"]
    )
    return integer.rescale(pool(x, window), qx, *target, ctx.outputs[0].dtype)


def infer_pool(ctx: Context) -> list[Inferred]:
    x = ctx.input(0)
    require_kind(ctx, x, NUMBERS)
    if len(x.shape) < 3:
        raise ctx.error(f"input of shape {x.shape} has no spatial axis")
    act.check(ctx)
    kernel = ctx.attrs["kernel_shape"]
    if len(kernel) != len(x.shape) - 2:
        raise ctx.error(f"kernel_shape {list(kernel)} does not fit an input of shape {x.shape}")
    window = window_of(ctx, kernel)
    pairs = zip(window.kernel, window.dilations, window.begin, window.given_end, strict=True)
    if any(max(before, after) >= (k - 1) * d + 1 for k, d, before, after in pairs):
        raise ctx.error(f"pads {list(ctx.attrs['pads'])} reach beyond the kernel {list(kernel)}: windows without input")
    return [((x.shape[0], *window.output, x.shape[-1]), x.dtype)]


def cost(ctx: Context) -> Cost:
    return combining(window_of(ctx, ctx.attrs["kernel_shape"]), ctx.input(0).shape)


register(Op("MaxPool", max_pool, infer_pool, quantized=quantized, cost=cost, moves_data=True))
