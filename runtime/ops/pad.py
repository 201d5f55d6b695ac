"""Pad: elements added before and after (dropped where negative), by modes constant, reflect, edge and wrap.

Dropping comes first: the other modes mirror, repeat or wrap around what is left.
"""

from __future__ import annotations

import numpy as np

from .checks import integer_vector, normalize_axes, same_dtype
from .integer import dequantize, quantize, rescale
from .registry import Context, Inferred, Op, register

MODES = ("constant", "reflect", "edge", "wrap")


def infer(ctx: Context) -> list[Inferred]:
    data, value, mode = ctx.input(0), ctx.optional(2), ctx.attrs["mode"]
    if mode not in MODES:
        raise ctx.error(f"mode '{mode}' is none of {', '.join(MODES)}")
    pads, given = integer_vector(ctx, 1), integer_vector(ctx, 3)
    axes = normalize_axes(ctx, range(len(data.shape)) if given is None else given, len(data.shape))
    if pads is None or len(pads) != 2 * len(axes):
        raise ctx.error(f"pads {pads} must hold a begin and an end for each of {len(axes)} axes")
    if value is not None and mode == "constant":
        if value.size != 1:
            raise ctx.error("constant_value must be a scalar")
        if data.quant is None:
            same_dtype(ctx, [data, value])
    shape = list(data.shape)
    for axis, begin, end in zip(axes, pads[: len(axes)], pads[len(axes) :], strict=True):
        left = shape[axis] + min(begin, 0) + min(end, 0)
        shape[axis] += begin + end
        if mode != "constant" and (left < 0 or (left == 0 and shape[axis] > 0)):
            raise ctx.error(f"mode {mode} has no elements to pad with along axis {axis}")
    return [(tuple(shape), data.dtype)]


def widths(rank: int, pads: np.ndarray, axes: np.ndarray | None) -> list[tuple[int, int]]:
    """begin and end of every dimension."""
    chosen = range(rank) if axes is None else axes.reshape(-1).tolist()
    values = pads.reshape(-1).tolist()
    result = [(0, 0)] * rank
    for i, axis in enumerate(chosen):
        result[axis] = (values[i], values[i + len(chosen)])
    return result


def source(size: int, begin: int, end: int, mode: str) -> np.ndarray:
    """Which of the size elements each element along a padded dimension copies."""
    first, left = max(-begin, 0), size - max(-begin, 0) - max(-end, 0)
    places = np.arange(-begin, size + end) - first
    if mode == "edge":
        places = np.clip(places, 0, left - 1)
    elif mode == "wrap":
        places = places % max(left, 1)
    else:
        period = max(2 * (left - 1), 1)
        places = places % period
        places = np.minimum(places, period - places) if left > 1 else places
    return places + first


def pad_constant(data: np.ndarray, bounds: list[tuple[int, int]], value: np.ndarray | int) -> np.ndarray:
    shape = [size + begin + end for size, (begin, end) in zip(data.shape, bounds, strict=True)]
    result = np.full(shape, value, data.dtype)
    inside, kept = [], []
    for size, (begin, end) in zip(data.shape, bounds, strict=True):
        low, high = max(0, -begin), min(size, size + end)
        kept.append(slice(low, max(low, high)))
        inside.append(slice(low + begin, max(low, high) + begin))
    if all(part.stop > part.start for part in kept):
        result[tuple(inside)] = data[tuple(kept)]
    return result


def pad(
    data: np.ndarray,
    pads: np.ndarray,
    constant_value: np.ndarray | None = None,
    axes: np.ndarray | None = None,
    *,
    mode: str = "constant",
) -> np.ndarray:
    bounds = widths(data.ndim, pads, axes)
    if mode == "constant":
        return pad_constant(data, bounds, 0 if constant_value is None else constant_value.reshape(()))
    for axis, (begin, end) in enumerate(bounds):
        if begin or end:
            data = np.take(data, source(data.shape[axis], begin, end, mode), axis)
    return data


def quantized(
    ctx: Context,
    data: np.ndarray,
    pads: np.ndarray,
    constant_value: np.ndarray | None = None,
    axes: np.ndarray | None = None,
) -> np.ndarray:
    """Fills with the input's zero point, or with constant_value: a real number, or an integer with its own
    quantization."""
    x, y, value = ctx.input(0), ctx.outputs[0], ctx.optional(2)
    if x.quant is None or y.quant is None or x.quant.axis is not None or y.quant.axis is not None:
        raise ctx.error("its input and its output must both be quantized per tensor, or neither")
    if constant_value is None or value is None:
        fill = x.quant.zero_point.astype(x.dtype)
    elif value.quant == x.quant and value.dtype == x.dtype:
        # As real numbers, integers of 32 bits would lose some of them.
        fill = constant_value
    else:
        real = constant_value if value.quant is None else dequantize(constant_value, value.quant)
        fill = quantize(real.astype(np.float32), x.quant, x.dtype)
    padded = pad(data, pads, fill, axes, mode=ctx.attrs["mode"])
    limits = np.iinfo(y.dtype)
    return rescale(padded, x.quant, y.quant, limits.min, limits.max, y.dtype)


register(Op("Pad", pad, infer, quantized=quantized, moves_data=True, data=(0, 2)))
