"""LpNormalization, LayerNormalization and InstanceNormalization of float32 onto kernels/normalize.py."""

from __future__ import annotations

from math import prod

import numpy as np

from ..kernels.normalize import instance_normalize, layer_normalize, lp_normalize
from ..ops.registry import Context
from ..program.builder import Builder
from . import last_axis
from .registry import lowers
from .windows import channel_vectors

WORK = 8
"""Operations on an element, about."""


@lowers("LpNormalization")
def lp_normalization(ctx: Context, b: Builder) -> bool:
    if ctx.input(0).dtype != np.float32:
        return False
    source = last_axis.take(ctx, b)
    target = last_axis.result(ctx, b, source)
    n = source.shape[-1]
    b.call(
        lp_normalize,
        {"p": ctx.attrs["p"]},
        source.size // n,
        work=WORK * source.size,
        x=source.at(),
        y=target.at(),
        n=n,
    )
    last_axis.put_back(ctx, b, target)
    return True


@lowers("LayerNormalization")
def layer_normalization(ctx: Context, b: Builder) -> bool:
    x, scale, bias = ctx.input(0), ctx.input(1), ctx.optional(2)
    normalized = x.shape[ctx.attrs["axis"] % len(x.shape) :]
    n = prod(normalized)
    parameters = [scale] if bias is None else [scale, bias]
    if len(ctx.outputs) > 1 or x.dtype != np.float32 or any(t.dtype != np.float32 or t.size != n for t in parameters):
        return False
    source, y = b.input(0, contiguous=True), b.output(contiguous=True)
    shift = b.constant(np.zeros(n, np.float32)) if bias is None else b.input(2, contiguous=True).run(n)
    b.call(
        layer_normalize, {}, source.size // n, work=WORK * source.size, x=source.at(), y=y.at(),
        scale=b.input(1, contiguous=True).run(n), bias=shift, n=n, count=float(n), epsilon=ctx.attrs["epsilon"],
    )  # fmt: skip
    return True


@lowers("InstanceNormalization")
def instance_normalization(ctx: Context, b: Builder) -> bool:
    x = ctx.input(0)
    if len(x.shape) > 4 or any(ctx.input(i).dtype != np.float32 for i in range(3)):
        return False
    source, y = b.input(0), b.output()
    scale, bias = b.input(1, contiguous=True), b.input(2, contiguous=True)
    images, height, width, channels = source.channels_last()
    (x_image, x_row, x_pixel), (y_image, y_row, y_pixel) = source.pitches(), y.pitches()
    lanes, _, _ = channel_vectors(channels, b.target.vector_bytes // 4)
    blocks = -(-channels // lanes)
    b.call(
        instance_normalize, {"lanes": lanes}, images * blocks, work=WORK * source.size, x=source.at(), y=y.at(),
        scale=scale.run(channels), bias=bias.run(channels), blocks=blocks, last_channel=channels - lanes,
        height=height, width=width, x_image=x_image, x_row=x_row, x_pixel=x_pixel,
        y_image=y_image, y_row=y_row, y_pixel=y_pixel, count=float(height * width), epsilon=ctx.attrs["epsilon"],
    )  # fmt: skip
    return True
