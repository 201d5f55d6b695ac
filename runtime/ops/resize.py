"""Resize: nearest, linear and cubic resampling of any axes of a tensor of any rank."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ..graph import Attribute
from . import resample
from .checks import NUMBERS, normalize_axes, require_kind
from .registry import Context, Cost, Inferred, Op, Shape, register
from .resample import Axis, Method, Taps, taps

WEIGHT_BITS = 11
"""Fraction bits of one axis' weights on int8 tensors, as in XNNPACK."""


TAP = 32
"""Bytes that are alive for one tap while indices and weights are computed, and Cost.work of it."""


def plan(
    shape: Shape,
    roi: np.ndarray | None,
    scales: np.ndarray | None,
    sizes: np.ndarray | None,
    axes: Sequence[int],
    policy: str,
) -> dict[int, Axis]:
    """What happens to each axis that has elements, by exactly one of scales and sizes; ValueError where they do not fit
    the tensor."""
    chosen = [axis % len(shape) for axis in axes] or list(range(len(shape)))
    given = [v for v in (scales, sizes) if v is not None and v.size]
    if len(given) != 1 or given[0].size != len(chosen):
        raise ValueError(f"needs scales or sizes, one for each of {len(chosen)} axes")
    values = given[0].reshape(-1).tolist()
    crop = [0.0] * len(chosen) + [1.0] * len(chosen) if roi is None or not roi.size else roi.reshape(-1).tolist()
    if len(crop) != 2 * len(chosen):
        raise ValueError(f"roi has {len(crop)} entries for {len(chosen)} axes")
    by_scale = scales is not None and scales.size > 0
    if not all(math.isfinite(v) and (v > 0 or shape[axis] == v) for axis, v in zip(chosen, values, strict=True)):
        raise ValueError(f"{'scales' if by_scale else 'sizes'} {values} must be positive")
    if not by_scale and any(v and not shape[axis] for axis, v in zip(chosen, values, strict=True)):
        raise ValueError(f"sizes {values} ask for something of nothing in a tensor of shape {shape}")
    if by_scale:
        outputs = [math.floor(np.float32(shape[axis]) * np.float32(v)) for axis, v in zip(chosen, values, strict=True)]
    else:
        outputs, values = fit(shape, chosen, values, policy)
    if any(output < 1 and shape[axis] for axis, output in zip(chosen, outputs, strict=True)):
        raise ValueError(f"output sizes {outputs} must be positive")
    ends = crop[len(chosen) :]
    return {
        axis: Axis(shape[axis], outputs[i], values[i], (crop[i], ends[i]))
        for i, axis in enumerate(chosen)
        if shape[axis]
    }


def fit(shape: Shape, axes: Sequence[int], sizes: Sequence[int], policy: str) -> tuple[list[int], list[float]]:
    """Output sizes and scales for the wanted sizes: stretched, or with one scale for all axes."""
    pairs = [(np.float32(size), np.float32(shape[axis])) for axis, size in zip(axes, sizes, strict=True)]
    scales = [float(size / before) if before else 1.0 for size, before in pairs]
    if policy == "stretch":
        return [int(size) for size in sizes], scales
    real = [scale for scale, (_, before) in zip(scales, pairs, strict=True) if before] or scales
    scale = min(real) if policy == "not_larger" else max(real)
    return [math.floor(shape[axis] * scale + 0.5) for axis in axes], [scale] * len(axes)


def axis_taps(shape: Shape, arrays: Sequence[np.ndarray | None], attrs: dict[str, Attribute]) -> dict[int, Taps]:
    """Indices and weights of every axis that changes. arrays: roi, scales, sizes."""
    method = Method(
        attrs["mode"],
        attrs["coordinate_transformation_mode"],
        attrs["nearest_mode"],
        attrs["cubic_coeff_a"],
        bool(attrs["exclude_outside"]),
        bool(attrs["antialias"]),
    )
    roi, scales, sizes = arrays
    planned = plan(shape, roi, scales, sizes, attrs["axes"], attrs["keep_aspect_ratio_policy"])
    crops = method.coordinates == "tf_crop_and_resize"
    return {
        number: taps(axis, method)
        for number, axis in planned.items()
        if crops or axis.scale != 1 or axis.output != axis.size
    }


def interpolate(x: np.ndarray, axis: int, indices: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Weighted sum of x's elements along axis; indices and weights (outputs, taps), weights in x's dtype."""
    shape = [1] * x.ndim
    shape[axis] = -1
    y = np.take(x, indices[:, 0], axis) * weights[:, 0].reshape(shape)
    for t in range(1, indices.shape[1]):
        y += np.take(x, indices[:, t], axis) * weights[:, t].reshape(shape)
    return y


def resize(
    x: np.ndarray,
    roi: np.ndarray | None = None,
    scales: np.ndarray | None = None,
    sizes: np.ndarray | None = None,
    *,
    mode: str = "nearest",
    coordinate_transformation_mode: str = "half_pixel",
    nearest_mode: str = "round_prefer_floor",
    cubic_coeff_a: float = -0.75,
    exclude_outside: int = 0,
    extrapolation_value: float = 0.0,
    antialias: int = 0,
    axes: Sequence[int] = (),
    keep_aspect_ratio_policy: str = "stretch",
) -> np.ndarray:
    """sizes (or scales, floored) of the axes in `axes`, of all where it is empty; roi only for tf_crop_and_resize.

    Integers are interpolated in float32 and truncated, as onnxruntime does.
    """
    attrs = {
        "mode": mode,
        "coordinate_transformation_mode": coordinate_transformation_mode,
        "nearest_mode": nearest_mode,
        "cubic_coeff_a": cubic_coeff_a,
        "exclude_outside": exclude_outside,
        "antialias": antialias,
        "axes": axes,
        "keep_aspect_ratio_policy": keep_aspect_ratio_policy,
    }
    y = x if mode == "nearest" else x.astype(np.result_type(x.dtype, np.float32), copy=False)
    found = axis_taps(x.shape, (roi, scales, sizes), attrs)
    for axis, tap in found.items():
        if mode == "nearest":
            y = np.take(y, tap.indices[:, 0], axis)
        else:
            y = interpolate(y, axis, tap.indices, tap.weights.astype(y.dtype))
    for axis, tap in found.items():
        if tap.outside.any():
            places = np.moveaxis(y, axis, 0)
            places[tap.outside] = extrapolation_value
    return y.astype(x.dtype, copy=False)


def quantized(
    ctx: Context,
    x: np.ndarray,
    roi: np.ndarray | None = None,
    scales: np.ndarray | None = None,
    sizes: np.ndarray | None = None,
) -> np.ndarray:
    """Nearest copies stored integers. Linear weighs them with 11-bit fractions and rounds half up once, exactly.

    Only with the same quantization in and out, without crop, and for linear without antialias.
    """
    attrs, qx, y = ctx.attrs, ctx.input(0).quant, ctx.outputs[0]
    crops = attrs["coordinate_transformation_mode"] == "tf_crop_and_resize"
    if qx != y.quant or crops or attrs["mode"] == "cubic":
        return NotImplemented
    if attrs["mode"] == "nearest":
        return resize(x, roi, scales, sizes, **attrs)
    if attrs["antialias"]:
        return NotImplemented
    acc, bits = x.astype(np.int64), 0
    for axis, tap in axis_taps(x.shape, (roi, scales, sizes), attrs).items():
        second = np.rint(tap.weights[:, 1] * np.float32(2**WEIGHT_BITS)).astype(np.int64)
        acc = interpolate(acc, axis, tap.indices, np.stack([2**WEIGHT_BITS - second, second], axis=1))
        bits += WEIGHT_BITS
    if bits:
        acc = (acc + (1 << (bits - 1))) >> bits
    return acc.astype(y.dtype)


def infer(ctx: Context) -> list[Inferred]:
    x, attrs = ctx.input(0), ctx.attrs
    require_kind(ctx, x, NUMBERS)
    allowed = {
        "mode": resample.MODES,
        "coordinate_transformation_mode": resample.COORDINATES,
        "nearest_mode": resample.NEAREST,
        "keep_aspect_ratio_policy": ("stretch", "not_larger", "not_smaller"),
    }
    for name, values in allowed.items():
        if attrs[name] not in values:
            raise ctx.error(f"{name} '{attrs[name]}' is none of {', '.join(values)}")
    normalize_axes(ctx, attrs["axes"], len(x.shape))
    roi, scales, sizes = (ctx.optional_constant(index) for index in (1, 2, 3))
    try:
        planned = plan(x.shape, roi, scales, sizes, attrs["axes"], attrs["keep_aspect_ratio_policy"])
    except ValueError as problem:
        raise ctx.error(str(problem)) from None
    return [(tuple(planned[i].output if i in planned else size for i, size in enumerate(x.shape)), x.dtype)]


def cost(ctx: Context) -> Cost:
    """Above all of the taps' indices and weights along each axis that changes, and of the tensor after each axis."""
    x, attrs = ctx.input(0), ctx.attrs
    given = [ctx.optional_constant(index) for index in (1, 2, 3)]
    planned = plan(x.shape, given[0], given[1], given[2], attrs["axes"], attrs["keep_aspect_ratio_policy"])
    reach = {"nearest": 0.5, "linear": 1, "cubic": 2}[attrs["mode"]]
    shape, work, tables, largest = list(x.shape), 0, 0, 0
    for number, axis in planned.items():
        stretch = max(1 / axis.scale, 1) if attrs["antialias"] and attrs["mode"] != "nearest" else 1
        count = math.ceil(2 * reach * stretch)
        shape[number] = axis.output
        work += count * (TAP * axis.output + 4 * math.prod(shape))
        tables += TAP * axis.output * count
        largest = max(largest, math.prod(shape))
    wide = x.dtype.itemsize if attrs["mode"] == "nearest" else 8
    return Cost(work, tables + 3 * wide * largest)


register(Op("Resize", resize, infer, quantized=quantized, cost=cost))
