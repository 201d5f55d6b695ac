"""ConvTranspose: the transposed convolution, channels-last."""

from __future__ import annotations

import math
from collections.abc import Sequence

import msgspec
import numpy as np

from ..graph import Attribute
from . import activation as act
from . import integer, quantized_node
from .conv import BLAS, check_weights, exact_dtype
from .registry import Context, Cost, Inferred, Op, Shape, register
from .window import AUTO_PADS, CALL, per_axis


class Spread(msgspec.Struct, frozen=True):
    """Where each input element lands: input i and kernel element k add to output i * stride + k * dilation - begin."""

    kernel: Shape
    strides: Shape
    dilations: Shape
    begin: Shape
    output: Shape


def spread(spatial: Sequence[int], kernel: Sequence[int], attrs: dict[str, Attribute]) -> Spread:
    """Geometry by the formulas of ONNX ConvTranspose; ValueError where the attributes contradict each other.

    With output_shape or SAME padding, the pads are what makes the output fit, the odd one after for SAME_UPPER.
    """
    rank = len(spatial)
    strides = per_axis("strides", attrs["strides"], rank, 1, 1)
    dilations = per_axis("dilations", attrs["dilations"], rank, 1, 1)
    extra = per_axis("output_padding", attrs["output_padding"], rank, 0, 0)
    pads = per_axis("pads", attrs["pads"], 2 * rank, 0, 0)
    auto_pad = attrs["auto_pad"]
    if auto_pad not in AUTO_PADS:
        raise ValueError(f"auto_pad '{auto_pad}' is none of {', '.join(AUTO_PADS)}")
    if any(e >= max(s, d) for e, s, d in zip(extra, strides, dilations, strict=True)):
        raise ValueError(f"output_padding {list(extra)} must be smaller than the stride or the dilation")
    wanted = per_axis("output_shape", attrs["output_shape"][-rank:], rank, 0, 0)
    begin, output = [], []
    for i, size in enumerate(spatial):
        extent = (size - 1) * strides[i] + (kernel[i] - 1) * dilations[i] + 1
        whole = extent + extra[i]
        out = wanted[i] or (min(size * strides[i], whole) if auto_pad.startswith("SAME") else 0)
        if out:
            total = max(whole - out, 0)
            before = total // 2 if auto_pad == "SAME_UPPER" else total - total // 2
        else:
            before, after = (pads[i], pads[rank + i]) if auto_pad == "NOTSET" else (0, 0)
            out = whole - before - after
        if out <= 0:
            raise ValueError(f"output size {out} along spatial axis {i} is not positive")
        begin.append(before)
        output.append(out)
    return Spread(tuple(kernel), strides, dilations, tuple(begin), tuple(output))


def landing(geometry: Spread, axis: int, size: int, position: int) -> tuple[slice, slice] | None:
    """Along an axis of so many inputs: those that the kernel's element at position spreads within the output, and where
    they land; None where there are none."""
    stride = geometry.strides[axis]
    offset = position * geometry.dilations[axis] - geometry.begin[axis]
    first, stop = max(0, -(offset // stride)), min(size, (geometry.output[axis] - 1 - offset) // stride + 1)
    if first >= stop:
        return None
    return slice(first, stop), slice(first * stride + offset, (stop - 1) * stride + offset + 1, stride)


def scatter(x: np.ndarray, w: np.ndarray, geometry: Spread, group: int) -> np.ndarray:
    """x (N, *spatial, C) and w (C, *kernel, O/group) -> (N, *output, O), accumulated in x's dtype."""
    n, spatial, channels = x.shape[0], x.shape[1:-1], x.shape[-1]
    outputs = w.shape[-1]
    inputs = np.moveaxis(x.reshape(n, *spatial, group, channels // group), -2, 0)
    kernels = np.moveaxis(w.reshape(group, channels // group, *w.shape[1:]), 1, -2)
    y = np.zeros((n, *geometry.output, group, outputs), x.dtype)
    for position in np.ndindex(*geometry.kernel):
        along = [landing(geometry, axis, size, position[axis]) for axis, size in enumerate(spatial)]
        if any(found is None for found in along):
            continue
        taken = (slice(None), slice(None), *(found[0] for found in along if found is not None))
        reached = (slice(None), *(found[1] for found in along if found is not None))
        one_tap = (slice(None), *position)
        chosen = inputs[taken]
        part = chosen.reshape(group, math.prod(chosen.shape[1:-1]), channels // group) @ kernels[one_tap]
        y[reached] += np.moveaxis(part.reshape(*chosen.shape[:-1], outputs), 0, -2)
    return y.reshape(n, *geometry.output, group * outputs)


def conv_transpose(
    x: np.ndarray,
    w: np.ndarray,
    b: np.ndarray | None = None,
    *,
    strides: Sequence[int] = (),
    pads: Sequence[int] = (),
    dilations: Sequence[int] = (),
    output_padding: Sequence[int] = (),
    output_shape: Sequence[int] = (),
    group: int = 1,
    auto_pad: str = "NOTSET",
    activation: str | None = None,
    activation_params: Sequence[float] = (),
) -> np.ndarray:
    """x (N, *spatial, C), w (C, *kernel, O/group), b (O,). output_shape: the spatial sizes wanted, empty for none."""
    attrs = {
        "strides": strides,
        "pads": pads,
        "dilations": dilations,
        "output_padding": output_padding,
        "output_shape": output_shape,
        "auto_pad": auto_pad,
    }
    geometry = spread(x.shape[1:-1], w.shape[1:-1], attrs)
    wide = np.result_type(x.dtype, np.float32)
    y = scatter(x.astype(wide, copy=False), w.astype(wide, copy=False), geometry, group)
    if b is not None:
        y += b
    return act.apply(y, activation, activation_params).astype(x.dtype, copy=False)


def quantized(ctx: Context, x: np.ndarray, w: np.ndarray, b: np.ndarray | None = None) -> np.ndarray:
    """Exact integer accumulation and `integer.requantize`; scales of w per index of its last axis, in every group."""
    product, group = quantized_node.product(ctx, outputs=-1), ctx.attrs["group"]
    if product is None:
        return NotImplemented
    weights = integer.centred(w, product.w, np.float64)
    dtype = exact_dtype(weights, tuple(range(w.ndim - 1)))
    geometry = spread(x.shape[1:-1], w.shape[1:-1], ctx.attrs)
    acc = scatter(integer.centred(x, product.x, dtype), weights.astype(dtype), geometry, group).astype(np.int64)
    if b is not None:
        acc += b
    scale = product.scale if product.scale.size == 1 else np.tile(product.scale, group)
    return integer.requantize(acc, scale, product.y.zero_point[0], product.low, product.high, ctx.outputs[0].dtype)


def infer(ctx: Context) -> list[Inferred]:
    x, w, b, group = ctx.input(0), ctx.input(1), ctx.optional(2), ctx.attrs["group"]
    if len(x.shape) < 3 or len(w.shape) != len(x.shape):
        raise ctx.error(f"input of shape {x.shape} and weights of shape {w.shape} do not make a transposed convolution")
    if group < 1 or w.shape[0] != x.shape[-1] or w.shape[0] % group:
        raise ctx.error(f"weights of shape {w.shape} in {group} groups do not fit {x.shape[-1]} input channels")
    outputs = w.shape[-1] * group
    check_weights(ctx, outputs=w.shape[-1])
    act.check(ctx)
    if b is not None and b.shape != (outputs,):
        raise ctx.error(f"bias of shape {b.shape} for {outputs} output channels")
    try:
        geometry = spread(x.shape[1:-1], w.shape[1:-1], ctx.attrs)
    except ValueError as problem:
        raise ctx.error(str(problem)) from None
    return [((x.shape[0], *geometry.output, outputs), x.dtype)]


def macs(ctx: Context) -> int:
    """One per input element, kernel position and output channel of the group."""
    return ctx.input(0).size * math.prod(ctx.input(1).shape[1:])


def cost(ctx: Context) -> Cost:
    positions = math.prod(ctx.input(1).shape[1:-1])
    part = ctx.input(0).size // max(1, ctx.input(0).shape[-1]) * ctx.outputs[0].shape[-1]
    work = positions * (8 * CALL + part) + macs(ctx) // BLAS
    return Cost(work, 16 * ctx.outputs[0].size + 8 * (part + ctx.input(0).size))


register(Op("ConvTranspose", conv_transpose, infer, quantized=quantized, macs=macs, cost=cost))
