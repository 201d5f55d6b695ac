"""RoiAlign and MaxRoiPool, channels-last: regions of images, each divided into the same number of bins."""

from __future__ import annotations

from math import ceil, prod

import numpy as np

from ..errors import ModelError
from .checks import FLOATS, INTEGERS, require_kind
from .registry import Context, Cost, Inferred, Op, register

SAMPLES, REGION, BIN = 16, 100_000, 3000
"""Cost.work of one sampled pixel, of a region that is aligned and of a bin that is pooled."""
SAMPLED, SAMPLED_OF_AN_ELEMENT = 1 << 22, 4
"""Most elements that are sampled of one region, and for each element of the image: a region may be larger than it."""


def infer_align(ctx: Context) -> list[Inferred]:
    x, rois, batch = (ctx.input(index) for index in range(3))
    require_kind(ctx, x, FLOATS)
    require_kind(ctx, batch, INTEGERS)
    if len(x.shape) != 4 or len(rois.shape) != 2 or rois.shape[1] != 4 or batch.shape != rois.shape[:1]:
        raise ctx.error(f"regions {rois.shape} and batch indices {batch.shape} do not fit images of shape {x.shape}")
    if ctx.attrs["mode"] not in ("avg", "max"):
        raise ctx.error(f"mode '{ctx.attrs['mode']}' is neither avg nor max")
    height, width = ctx.attrs["output_height"], ctx.attrs["output_width"]
    if min(height, width) < 1 or ctx.attrs["sampling_ratio"] < 0:
        raise ctx.error("output_height, output_width and sampling_ratio must not be negative")
    return [((rois.shape[0], height, width, x.shape[-1]), x.dtype)]


def roi_align(
    x: np.ndarray,
    rois: np.ndarray,
    batch_indices: np.ndarray,
    *,
    coordinate_transformation_mode: str = "half_pixel",
    mode: str = "avg",
    output_height: int = 1,
    output_width: int = 1,
    sampling_ratio: int = 0,
    spatial_scale: float = 1.0,
) -> np.ndarray:
    """x (N, H, W, C), rois (regions, 4): x1, y1, x2, y2. Each bin is the mean, or the largest part, of sampling_ratio
    squared samples between pixels; of as many as the bin has pixels where that is 0."""
    _, height, width, channels = x.shape
    found = np.empty((len(rois), output_height, output_width, channels), x.dtype)
    offset = np.float32(0.5 if coordinate_transformation_mode == "half_pixel" else 0)
    least = 0.0 if offset else 1.0
    for index, (roi, image) in enumerate(zip(rois, _images(batch_indices, len(x)), strict=True)):
        left, top, right, bottom = (roi * np.asarray(spatial_scale, x.dtype) - offset).tolist()
        tall, wide = bottom - top, right - left
        if least:
            tall, wide = max(tall, least), max(wide, least)
        per_bin = [sampling_ratio or ceil(size / bins) for size, bins in ((tall, output_height), (wide, output_width))]
        sampled = prod(max(each, 0) * bins for each, bins in zip(per_bin, found.shape[1:3], strict=True)) * channels
        if sampled > SAMPLED + SAMPLED_OF_AN_ELEMENT * height * width * channels:
            raise ValueError(f"a region of {tall:.4g} x {wide:.4g} pixels takes {sampled} samples of the image")
        rows = _samples(top, tall, output_height, per_bin[0], height)
        columns = _samples(left, wide, output_width, per_bin[1], width)
        corners = []
        for row, row_weight in rows:
            for column, column_weight in columns:
                weight = row_weight[:, None, None] * column_weight[None, :, None]
                corners.append(x[image][row[:, None], column[None, :]] * weight)
        shape = (output_height, max(per_bin[0], 0), output_width, max(per_bin[1], 0), channels)
        if mode == "avg":
            total = sum(corners[1:], corners[0]).reshape(shape).sum((1, 3))
            found[index] = total / max(shape[1] * shape[3], 1)
        elif shape[1] and shape[3]:
            found[index] = np.maximum.reduce(corners).reshape(shape).max((1, 3))
        else:
            found[index] = 0
    return found


def _images(indices: np.ndarray, count: int) -> list[int]:
    found = [int(index) for index in indices]
    if any(not 0 <= index < count for index in found):
        raise ModelError(f"batch_indices name images that are none of {count}")
    return found


def _samples(start: float, length: float, bins: int, each: int, size: int) -> list[tuple[np.ndarray, np.ndarray]]:
    """The pixels before and behind each sample along an axis of so many pixels, with their weights: 0 where it lies
    more than one pixel outside."""
    step = np.float32(length / bins)
    at = np.arange(bins, dtype=np.float32)[:, None] * step + (np.arange(max(each, 0)) + 0.5) * step / max(each, 1)
    at = (np.float32(start) + at).reshape(-1).astype(np.float32)
    there = (at >= -1) & (at <= size)
    at = np.clip(at, 0, size - 1)
    low = np.floor(at).astype(np.int64)
    part = at - low
    return [(low, np.where(there, 1 - part, 0)), (np.minimum(low + 1, size - 1), np.where(there, part, 0))]


def infer_pool(ctx: Context) -> list[Inferred]:
    x, rois, pooled = ctx.input(0), ctx.input(1), ctx.attrs["pooled_shape"]
    require_kind(ctx, x, FLOATS)
    if len(x.shape) != 4 or len(rois.shape) != 2 or rois.shape[1] != 5:
        raise ctx.error(f"regions {rois.shape} do not fit images of shape {x.shape}")
    if len(pooled) != 2 or min(pooled) < 1:
        raise ctx.error(f"pooled_shape {list(pooled)} is not a height and a width")
    return [((rois.shape[0], *pooled, x.shape[-1]), x.dtype)]


def max_roi_pool(x: np.ndarray, rois: np.ndarray, *, pooled_shape: list[int], spatial_scale: float = 1.0) -> np.ndarray:
    """x (N, H, W, C), rois (regions, 5): the image, x1, y1, x2, y2, corners that belong to the region. Each bin is the
    largest pixel in it, 0 where there is none."""
    rows, columns = pooled_shape
    found = np.zeros((len(rois), rows, columns, x.shape[-1]), x.dtype)
    for index, image in enumerate(_images(rois[:, 0], len(x))):
        left, top, right, bottom = (int(n) for n in np.floor(rois[index, 1:] * np.float32(spatial_scale) + 0.5))
        for i, (y0, y1) in enumerate(_bins(top, bottom, rows, x.shape[1])):
            for j, (x0, x1) in enumerate(_bins(left, right, columns, x.shape[2])):
                if y0 < y1 and x0 < x1:
                    found[index, i, j] = x[image, y0:y1, x0:x1].max((0, 1))
    return found


def _bins(first: int, last: int, count: int, size: int) -> list[tuple[int, int]]:
    each = max(last - first + 1, 1) / count
    edges = [(first + int(np.floor(k * each)), first + ceil((k + 1) * each)) for k in range(count)]
    return [(min(max(low, 0), size), min(max(high, 0), size)) for low, high in edges]


def cost_align(ctx: Context) -> Cost:
    ratio = ctx.attrs["sampling_ratio"]
    bins = ctx.attrs["output_height"] * ctx.attrs["output_width"]
    x = ctx.input(0)
    # A region that covers the image is looked at once for each of its pixels.
    samples = ratio * ratio * bins if ratio else x.shape[1] * x.shape[2] + bins
    return Cost(ctx.outputs[0].shape[0] * (REGION + SAMPLES * samples * x.shape[-1]), 64 * samples * x.shape[-1])


def cost_pool(ctx: Context) -> Cost:
    x = ctx.input(0)
    return Cost(
        ctx.outputs[0].shape[0] * (x.shape[1] * x.shape[2] * x.shape[-1] + BIN * prod(ctx.attrs["pooled_shape"]))
    )


register(Op("RoiAlign", roi_align, infer_align, cost=cost_align))
register(Op("MaxRoiPool", max_roi_pool, infer_pool, cost=cost_pool))
