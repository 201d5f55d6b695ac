"""MaxPool, AveragePool and the global pools over at most two spatial axes."""

from __future__ import annotations

import math

import numpy as np
from msgspec.structs import replace

from ..ops import quantized_node
from ..ops.average_pool import UINT8_SHIFT
from ..ops.registry import Context
from ..ops.window import Window, window_of
from ..program.builder import Builder
from ..program.view import View
from . import windows
from .registry import lowers
from .windows import Reduction, Table


@lowers("MaxPool", "AveragePool")
def pool(ctx: Context, b: Builder) -> bool:
    if len(ctx.input(0).shape) > 4:
        return False
    window = window_of(ctx, ctx.attrs["kernel_shape"])
    mean = ctx.node.op == "AveragePool"
    reduction = _reduction(ctx, "average" if mean else "max", math.prod(window.kernel))
    if reduction is None:
        return False
    if not mean:
        _max(b, b.input(0), b.output(), window, reduction)
        return True
    include_pad = bool(ctx.attrs["count_include_pad"])
    if not windows.counted(window, ctx.input(0).shape[1:-1], include_pad):
        return False
    x, y = b.input(0), b.output()
    rows, columns = _rows(x, y, window, include_pad), _columns(x, y, window, include_pad)
    windows.emit(b, x, y, x.shape[-1], rows, columns, reduction)
    return True


@lowers("GlobalAveragePool", "GlobalMaxPool")
def global_pool(ctx: Context, b: Builder) -> bool:
    spatial = ctx.input(0).shape[1:-1]
    if len(spatial) > 2:
        return False
    reduction = _reduction(ctx, "mean" if ctx.node.op == "GlobalAveragePool" else "max", math.prod(spatial))
    if reduction is None:
        return False
    x, y = b.input(0), b.output()
    images, height, width, _ = x.channels_last()
    x_image, x_row, x_pixel = x.pitches()
    rows = windows.repeated(windows.whole(height, x_row), images, x_image, y.pitches()[0])
    windows.emit(b, x, y, x.shape[-1], rows, windows.whole(width, x_pixel), reduction)
    return True


def _reduction(ctx: Context, kind: str, elements: int) -> Reduction | None:
    """kind: "max", "average" (half away from zero where the quantization stays) or "mean". None: there is no kernel."""
    x, y, attrs = ctx.input(0), ctx.outputs[0], ctx.attrs
    operation = "max" if kind == "max" else "sum"
    if x.dtype == np.float32:
        params = tuple(float(p) for p in attrs["activation_params"])
        return Reduction(operation, "plain" if kind == "max" else "mean", attrs["activation"], params)
    if x.dtype not in (np.int8, np.uint8) or y.dtype != x.dtype:
        return None
    if x.quant is None and y.quant is None:
        plain = kind == "max" and attrs["activation"] is None
        limits = np.iinfo(x.dtype)
        return Reduction("max", "bytes", low=int(limits.min), high=int(limits.max)) if plain else None
    out = quantized_node.output_range(ctx)
    if out is None or x.quant is None or x.dtype != np.int8:
        return None
    quant, low, high = out
    if x.quant == quant and kind == "max":
        return Reduction("max", "bytes", low=low, high=high)
    if x.quant == quant and kind == "average":
        shift = UINT8_SHIFT if attrs["half_up"] else 0
        if elements >= windows.EXACT_COUNT // (2 if shift else 1):
            return None
        padding = int(quant.zero_point[0]) + shift
        return Reduction("sum", "average", bias=shift, pad_bias=padding, zero_point=-shift, low=low, high=high)
    ratio = float(x.quant.scale[0] / quant.scale[0])
    if ratio * 255 >= windows.REACH:
        return None
    return Reduction(
        operation, "scaled", bias=-int(x.quant.zero_point[0]), ratio=ratio, zero_point=int(quant.zero_point[0]),
        low=low, high=high,
    )  # fmt: skip


def _rows(x: View, y: View, window: Window, include_pad: bool = False) -> Table:
    """The windows along the height, of all images."""
    images, height, _, _ = x.channels_last()
    (x_image, x_row, _), (y_image, y_row, _) = x.pitches(), y.pitches()
    two = len(window.kernel) == 2
    rows = windows.sliding(window, 0, height, (x_row, y_row), include_pad) if two else windows.single()
    return windows.repeated(rows, images, x_image, y_image)


def _columns(x: View, y: View, window: Window, include_pad: bool = False) -> Table:
    """The windows along the width."""
    width, pitches = x.channels_last()[2], (x.pitches()[2], y.pitches()[2])
    return windows.sliding(window, len(window.kernel) - 1, width, pitches, include_pad)


def _max(b: Builder, x: View, y: View, window: Window, reduction: Reduction) -> None:
    rows, columns = _rows(x, y, window), _columns(x, y, window)
    images, height, _, channels = x.channels_last()
    if not windows.separable(rows, columns, images * height):
        windows.emit(b, x, y, channels, rows, columns, reduction)
        return
    pixels = len(columns.entries)
    middle = b.temporary((images, height, pixels, channels), x.dtype, x.flipped)
    (x_image, x_row, _), (m_image, m_row, m_pixel) = x.pitches(), middle.pitches()
    lines = windows.repeated(windows.single(x_row, m_row, height), images, x_image, m_image)
    first = replace(reduction, activation=None, params=())
    if reduction.epilogue != "plain":
        limits = np.iinfo(x.dtype)
        first = replace(first, epilogue="bytes", low=int(limits.min), high=int(limits.max))
    windows.emit(b, x, middle, channels, lines, _columns(x, middle, window), first)
    across = windows.single(m_pixel, y.pitches()[2], pixels)
    windows.emit(b, middle, y, channels, _rows(middle, y, window), across, reduction)
