"""DeformConv, channels-last: a convolution of which every tap of every window looks at a place of its own."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from .checks import FLOATS, require_kind, same_dtype
from .registry import Context, Cost, Inferred, Op, register
from .window import Window, slide


def window_of(ctx: Context, spatial: Sequence[int], kernel: Sequence[int]) -> Window:
    a = ctx.attrs
    try:
        return slide(spatial, kernel, a["strides"], a["dilations"], a["pads"], "NOTSET")
    except ValueError as problem:
        raise ctx.error(str(problem)) from None


def infer(ctx: Context) -> list[Inferred]:
    x, w, offset = (ctx.input(index) for index in range(3))
    require_kind(ctx, x, FLOATS)
    same_dtype(ctx, [tensor for tensor in ctx.inputs if tensor is not None])
    group, places = ctx.attrs["group"], ctx.attrs["offset_group"]
    if len(x.shape) != 4 or len(w.shape) != 4:
        raise ctx.error(f"weights {w.shape} and an input {x.shape} of two spatial dimensions are supported")
    channels, outputs = x.shape[-1], w.shape[0]
    if group < 1 or places < 1 or channels != w.shape[-1] * group or outputs % group or channels % places:
        raise ctx.error(f"weights {w.shape} in {group} groups do not fit an input of shape {x.shape}")
    window = window_of(ctx, x.shape[1:-1], w.shape[1:-1])
    taps = math.prod(window.kernel)
    wanted = (x.shape[0], *window.output)
    if offset.shape != (*wanted, 2 * places * taps):
        raise ctx.error(f"offsets have shape {offset.shape}, but must have {(*wanted, 2 * places * taps)}")
    b, mask = ctx.optional(3), ctx.optional(4)
    if b is not None and b.shape != (outputs,):
        raise ctx.error(f"bias of shape {b.shape} does not fit {outputs} outputs")
    if mask is not None and mask.shape != (*wanted, places * taps):
        raise ctx.error(f"the mask has shape {mask.shape}, but must have {(*wanted, places * taps)}")
    return [((*wanted, outputs), x.dtype)]


def deform_conv(
    x: np.ndarray,
    w: np.ndarray,
    offset: np.ndarray,
    b: np.ndarray | None = None,
    mask: np.ndarray | None = None,
    *,
    strides: Sequence[int] = (),
    pads: Sequence[int] = (),
    dilations: Sequence[int] = (),
    group: int = 1,
    offset_group: int = 1,
) -> np.ndarray:
    """x (N, H, W, I), w (O, kH, kW, I / group), offset (N, H', W', offset_group * kH * kW * 2): rows and columns that
    are added to the place of each tap; mask (N, H', W', offset_group * kH * kW): what each tap is multiplied by.
    Between pixels x is interpolated linearly, outside it is zero."""
    n, height, width, channels = x.shape
    window = slide((height, width), w.shape[1:-1], strides, dilations, pads, "NOTSET")
    (rows, columns), taps, wide = window.output, math.prod(window.kernel), np.result_type(x.dtype, np.float32)
    moved = offset.reshape(n, rows, columns, offset_group, taps, 2).astype(wide)
    tap = np.stack(np.unravel_index(np.arange(taps), window.kernel), -1) * np.array(window.dilations)
    at = moved + tap.astype(wide)
    for axis, count in enumerate(window.output):
        origin = np.arange(count) * window.strides[axis] - window.begin[axis]
        at[..., axis] += origin.reshape((1, count, 1, 1, 1) if axis == 0 else (1, 1, count, 1, 1)).astype(wide)
    first = np.floor(at)
    part = at - first
    batch = np.arange(n).reshape(n, 1, 1, 1, 1)
    places = np.arange(offset_group).reshape(1, 1, 1, -1, 1)
    grouped = x.reshape(n, height, width, offset_group, channels // offset_group)
    met = np.zeros((n, rows, columns, offset_group, taps, channels // offset_group), wide)
    for down, right in np.ndindex(2, 2):
        row, column = first[..., 0] + down, first[..., 1] + right
        inside = (row >= 0) & (row < height) & (column >= 0) & (column < width)
        weight = (part[..., 0] if down else 1 - part[..., 0]) * (part[..., 1] if right else 1 - part[..., 1])
        i, j = (np.where(inside, index, 0).astype(np.int64) for index in (row, column))
        met += grouped[batch, i, j, places] * np.where(inside, weight, 0)[..., None]
    if mask is not None:
        met *= mask.reshape(n, rows, columns, offset_group, taps, 1)
    met = np.moveaxis(met, 3, 4).reshape(n, rows, columns, taps, group, channels // group)
    weights = w.reshape(group, w.shape[0] // group, taps, channels // group).astype(wide)
    y = np.einsum("nhwtgc,gotc->nhwgo", met, weights, optimize=True).reshape(n, rows, columns, w.shape[0])
    return (y if b is None else y + b).astype(x.dtype, copy=False)


def macs(ctx: Context) -> int:
    return ctx.outputs[0].size * math.prod(ctx.input(1).shape[1:])


def cost(ctx: Context) -> Cost:
    met = math.prod(ctx.outputs[0].shape[:-1]) * math.prod(ctx.input(1).shape[1:-1]) * ctx.input(0).shape[-1]
    return Cost(40 * met + macs(ctx), 32 * met)


register(Op("DeformConv", deform_conv, infer, macs=macs, cost=cost))
