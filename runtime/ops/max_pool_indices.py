"""MaxPoolIndices, channels-last: where MaxPool found the largest value of every window, as ONNX counts."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from .max_pool import infer_pool, lowest
from .registry import Context, Cost, Inferred, Op, register
from .window import pad, patches, slide, window_of


def infer(ctx: Context) -> list[Inferred]:
    [(shape, _)] = infer_pool(ctx)
    return [(shape, np.dtype(np.int64))]


def max_pool_indices(
    x: np.ndarray,
    *,
    kernel_shape: Sequence[int],
    strides: Sequence[int] = (),
    pads: Sequence[int] = (),
    dilations: Sequence[int] = (),
    auto_pad: str = "NOTSET",
    ceil_mode: int = 0,
    storage_order: int = 0,
    activation: str | None = None,
    activation_params: Sequence[float] = (),
) -> np.ndarray:
    """x (N, *spatial, C) -> int64 (N, *output, C): indices of the flat (N, C, *spatial), the first of equal values.
    storage_order 1: the spatial axes counted with the first one running fastest."""
    spatial = x.shape[1:-1]
    window = slide(spatial, kernel_shape, strides, dilations, pads, auto_pad, ceil_mode)
    order = range(len(spatial))[::-1] if storage_order == 0 else range(len(spatial))
    place, step = np.zeros(spatial, np.int64), 1
    for axis in order:
        shape = [1] * len(spatial)
        shape[axis] = spatial[axis]
        place = place + step * np.arange(spatial[axis]).reshape(shape)
        step *= spatial[axis]
    taps = patches(pad(x, window, lowest(x.dtype)), window)
    chosen = taps.reshape(*taps.shape[: x.ndim], -1)
    # Padding never wins against what is as low.
    inside = patches(pad(np.broadcast_to(np.True_, x.shape).astype(np.uint8), window, 0), window)
    inside = inside.reshape(chosen.shape).astype(bool)
    largest = np.where(inside, chosen, lowest(x.dtype)).max(-1, keepdims=True)
    first = np.argmax(inside & ((chosen == largest) | np.isnan(chosen)), -1)[..., None]
    places = patches(pad(np.broadcast_to(place[None, ..., None], x.shape).copy(), window, 0), window)
    found = np.take_along_axis(places.reshape(chosen.shape), first, -1)[..., 0]
    batch = np.arange(x.shape[0]).reshape(-1, *[1] * (x.ndim - 1))
    return found + (batch * x.shape[-1] + np.arange(x.shape[-1])) * prod(spatial)


def cost(ctx: Context) -> Cost:
    taps = ctx.outputs[0].size * prod(window_of(ctx, ctx.attrs["kernel_shape"]).kernel)
    return Cost(10 * taps, 32 * taps)


register(Op("MaxPoolIndices", max_pool_indices, infer, cost=cost))
