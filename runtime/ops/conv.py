"""Conv: convolution over any number of spatial axes, channels-last, with residual and activation fused in."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np

from . import activation as act
from . import integer, quantized_node
from .registry import Context, Cost, Inferred, Op, Tensor, register
from .window import CALL, Window, met, mostly_padding, pad, patches, slide, tap, window_of

COLUMNS = 1 << 20
"""Elements that are copied for a product at once, about."""
BLAS = 8
"""Multiply-adds of a product in one unit of Cost.work."""


def convolve(x: np.ndarray, w: np.ndarray, window: Window, group: int) -> np.ndarray:
    """Sum of products of x (N, *spatial, C) and w (O, *kernel, C/group) -> (N, *output, O)."""
    if far_apart(window, x.shape[1:-1]):
        return _scattered(x, w, window, group)
    rank, x = len(window.kernel), pad(x, window, 0)
    if w.shape[-1] == 1 and group > 1:
        return _depthwise(x, w, window, group)
    if math.prod(window.kernel) == 1:
        columns = tap(x, window, (0,) * rank)
    else:
        columns = np.moveaxis(patches(x, window), rank + 1, -1)
    lines = max(1, COLUMNS * window.output[0] // max(1, columns.size))
    parts = [_product(columns[:, i : i + lines], w, group) for i in range(0, window.output[0], lines)]
    return parts[0] if len(parts) == 1 else np.concatenate(parts, 1)


def _product(columns: np.ndarray, w: np.ndarray, group: int) -> np.ndarray:
    """What each output reads, (N, *output[, *kernel], C), times w (O, *kernel, C/group) -> (N, *output, O)."""
    channels, outputs, taps = w.shape[-1], w.shape[0], math.prod(w.shape[1:-1])
    batch_and_output = columns.shape[: w.ndim - 1]
    rows = math.prod(batch_and_output)
    if group == 1:
        y = columns.reshape(rows, taps * channels) @ w.reshape(outputs, -1).T
    else:
        grouped = columns.reshape(rows, taps, group, channels).transpose(2, 0, 1, 3).reshape(group, rows, -1)
        weights = w.reshape(group, outputs // group, -1).transpose(0, 2, 1)
        y = (grouped @ weights).transpose(1, 0, 2)
    return y.reshape(*batch_and_output, outputs)


def far_apart(window: Window, spatial: Sequence[int]) -> bool:
    """Whether the padding around an input of these sizes is out of proportion to what is read."""
    padded = [size + before + after for size, before, after in zip(spatial, window.begin, window.end, strict=True)]
    return mostly_padding(padded, math.prod(spatial) + math.prod(window.output) * math.prod(window.kernel))


def _scattered(x: np.ndarray, w: np.ndarray, window: Window, group: int) -> np.ndarray:
    """`convolve` by those elements of the kernel alone that meet the input, which is not padded."""
    y = np.zeros((x.shape[0], *window.output, w.shape[0]), x.dtype)
    for met_by in itertools.product(*(met(window, axis, size) for axis, size in enumerate(x.shape[1:-1]))):
        read: list[slice] = [slice(None)]
        element, written = read.copy(), read.copy()
        for axis, (place, first, stop) in enumerate(met_by):
            stride = window.strides[axis]
            at = first * stride + place * window.dilations[axis] - window.begin[axis]
            read.append(slice(at, at + (stop - first - 1) * stride + 1, stride))
            element.append(slice(place, place + 1))
            written.append(slice(first, stop))
        y[tuple(written)] += _product(x[tuple(read)], w[tuple(element)], group)
    return y


def _depthwise(x: np.ndarray, w: np.ndarray, window: Window, group: int) -> np.ndarray:
    multiplier = w.shape[0] // group
    kernel = np.moveaxis(w[..., 0].reshape(group, multiplier, *window.kernel), (0, 1), (-2, -1))
    y = np.zeros((x.shape[0], *window.output, group, multiplier), x.dtype)
    for position in np.ndindex(*window.kernel):
        y += tap(x, window, position)[..., None] * kernel[position]
    return y.reshape(*y.shape[:-2], group * multiplier)


def conv(
    x: np.ndarray,
    w: np.ndarray,
    b: np.ndarray | None = None,
    residual: np.ndarray | None = None,
    *,
    strides: Sequence[int] = (),
    pads: Sequence[int] = (),
    dilations: Sequence[int] = (),
    group: int = 1,
    auto_pad: str = "NOTSET",
    activation: str | None = None,
    activation_params: Sequence[float] = (),
) -> np.ndarray:
    """x (N, *spatial, C), w (O, *kernel, C/group), b (O,), residual (N, *output, O) added before the activation."""
    window = slide(x.shape[1:-1], w.shape[1:-1], strides, dilations, pads, auto_pad)
    wide = np.result_type(x.dtype, np.float32)
    y = convolve(x.astype(wide, copy=False), w.astype(wide, copy=False), window, group)
    if b is not None:
        y += b
    if residual is not None:
        y += residual
    return act.apply(y, activation, activation_params).astype(x.dtype, copy=False)


def exact_dtype(w: np.ndarray, terms_axes: tuple[int, ...]) -> type:
    """float32 where sums of products of 8-bit differences (below 256) with w stay under 2**24, else float64."""
    largest = 255 * np.abs(w).sum(axis=terms_axes, dtype=np.float64).max(initial=0)
    return np.float32 if largest < 2**24 else np.float64


def quantized(ctx: Context, x: np.ndarray, w: np.ndarray, b: np.ndarray | None = None, *_: object) -> np.ndarray:
    """Exact integer accumulation, int32 bias, then `integer.requantize` per output channel."""
    a, product = ctx.attrs, quantized_node.product(ctx, outputs=0)
    if product is None or ctx.optional(3) is not None:
        return NotImplemented
    weights = integer.centred(w, product.w, np.float64)
    dtype = exact_dtype(weights, tuple(range(1, w.ndim)))
    window = slide(x.shape[1:-1], w.shape[1:-1], a["strides"], a["dilations"], a["pads"], a["auto_pad"])
    centred = integer.centred(x, product.x, dtype)
    acc = convolve(centred, weights.astype(dtype), window, a["group"]).astype(np.int64)
    if b is not None:
        acc += b
    y, low, high = product.y, product.low, product.high
    return integer.requantize(acc, product.scale, y.zero_point[0], low, high, ctx.outputs[0].dtype)


def infer(ctx: Context) -> list[Inferred]:
    x, w = ctx.input(0), ctx.input(1)
    b, residual = ctx.optional(2), ctx.optional(3)
    shape = check_window(ctx, x, w)
    check_weights(ctx, outputs=w.shape[0])
    act.check(ctx)
    if residual is not None and (residual.shape != shape or residual.dtype != x.dtype):
        raise ctx.error(f"residual {residual.dtype}{residual.shape} differs from the output {x.dtype}{shape}")
    if b is not None and b.shape != (w.shape[0],):
        raise ctx.error(f"bias of shape {b.shape} for {w.shape[0]} output channels")
    return [(shape, x.dtype)]


def check_window(ctx: Context, x: Tensor, w: Tensor) -> tuple[int, ...]:
    """The shape of the convolution of x (N, *spatial, C) by w (O, *kernel, C/group). ModelError where it is none."""
    group = ctx.attrs["group"]
    if len(x.shape) < 3 or len(w.shape) != len(x.shape):
        raise ctx.error(f"input of shape {x.shape} and weights of shape {w.shape} do not make a convolution")
    if group < 1 or w.shape[-1] * group != x.shape[-1] or w.shape[0] % group:
        raise ctx.error(f"weights of shape {w.shape} in {group} groups do not fit {x.shape[-1]} input channels")
    return (x.shape[0], *window_of(ctx, w.shape[1:-1]).output, w.shape[0])


def check_weights(ctx: Context, outputs: int) -> None:
    """ModelError where weights or bias have another dtype than the input (int8 weights, int32 bias where quantized)."""
    x, w, b = ctx.input(0), ctx.input(1), ctx.optional(2)
    if x.dtype.kind != "f" and x.quant is None:
        raise ctx.error(f"input '{x.name}' is {x.dtype}, which {ctx.node.op} does not take without a quantization")
    if w.dtype != x.dtype and (x.quant is None or w.quant is None):
        raise ctx.error(f"weights '{w.name}' are {w.dtype} but the input is {x.dtype}")
    if w.quant is not None and w.quant.axis is not None and w.quant.scale.size not in (1, outputs):
        raise ctx.error(f"weights '{w.name}' have {w.quant.scale.size} scales for {outputs} outputs")
    if b is not None and b.dtype != x.dtype and not (x.quant is not None and b.dtype in (np.int32, np.float32)):
        raise ctx.error(f"bias '{b.name}' is {b.dtype} but the input is {x.dtype}")


def macs(ctx: Context) -> int:
    """One per output element, kernel position and input channel of the group."""
    return ctx.outputs[0].size * math.prod(ctx.input(1).shape[1:])


def cost(ctx: Context) -> Cost:
    x, w = ctx.input(0), ctx.input(1)
    window = window_of(ctx, w.shape[1:-1])
    sizes = zip(x.shape[1:-1], window.begin, window.end, strict=True)
    padded = x.shape[0] * x.shape[-1] * math.prod(size + before + after for size, before, after in sizes)
    taps = math.prod(window.kernel)
    if far_apart(window, x.shape[1:-1]):
        return _cost_scattered(ctx, window)
    if w.shape[-1] == 1 and ctx.attrs["group"] > 1:
        return Cost(taps * CALL + 2 * macs(ctx) + padded, 8 * (padded + ctx.outputs[0].size))
    columns = x.shape[0] * math.prod(window.output) * taps * x.shape[-1]
    return Cost(macs(ctx) // BLAS + 2 * columns + padded, 8 * (padded + 2 * min(columns, 2 * COLUMNS)))


def _cost_scattered(ctx: Context, window: Window) -> Cost:
    x, y = ctx.input(0), ctx.outputs[0]
    # Along an axis no more elements of the kernel can meet the input than fit where it and the outputs are.
    reach = (
        min(kernel, (size + (output - 1) * stride) // dilation + 1)
        for kernel, size, output, stride, dilation in zip(
            window.kernel, x.shape[1:-1], window.output, window.strides, window.dilations, strict=True
        )
    )
    return Cost(math.prod(reach) * CALL + 2 * macs(ctx), 8 * (x.size + 2 * y.size))


register(Op("Conv", conv, infer, quantized=quantized, macs=macs, cost=cost))
