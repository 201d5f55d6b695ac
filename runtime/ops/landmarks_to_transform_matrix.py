"""LandmarksToTransformMatrix: the turned rectangle around landmarks, as a matrix from a crop to the image."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .checks import FLOATS, require_kind
from .registry import Context, Inferred, Op, register


def infer(ctx: Context) -> list[Inferred]:
    x, attrs = ctx.input(0), ctx.attrs
    require_kind(ctx, x, FLOATS)
    places = [*attrs["subset"], attrs["left"], attrs["right"]]
    if len(x.shape) != 3 or x.shape[0] != 1 or x.shape[2] < 2:
        raise ctx.error(f"landmarks of shape {x.shape} must be (1, count, 2 or 3)")
    if not attrs["subset"] or not 0 <= min(places) <= max(places) < x.shape[1]:
        raise ctx.error(f"it names landmarks {min(places)}..{max(places)}, but there are {x.shape[1]}")
    if min(attrs["output_width"], attrs["output_height"], *attrs["scale"]) <= 0 or len(attrs["scale"]) != 2:
        raise ctx.error("the crop's size and scale must be above 0")
    return [((1, 4, 4), x.dtype)]


def landmarks_to_transform_matrix(
    x: np.ndarray,
    *,
    left: int,
    right: int,
    subset: Sequence[int],
    target_rotation: float,
    output_width: int,
    output_height: int,
    scale: Sequence[float],
) -> np.ndarray:
    """x (1, count, 2 or 3) -> (1, 4, 4). left, right: landmarks on a line that lies at target_rotation (radians) in the
    crop. subset: those that the rectangle is around, before its sides are multiplied by scale (width, height)."""
    points: np.ndarray = x[0, :, :2].astype(np.float64)
    along = points[right] - points[left]
    angle = target_rotation - np.arctan2(along[1], along[0])
    turned = points[list(subset)] @ rotation(angle).T
    low, high = turned.min(0), turned.max(0)
    linear = rotation(-angle) @ np.diag(np.asarray(scale) * (high - low) / (output_width, output_height))
    found = np.eye(4)
    found[:2, :2] = linear
    found[:2, 3] = rotation(-angle) @ ((low + high) / 2) - linear @ (output_width / 2, output_height / 2)
    return found[None].astype(x.dtype)


def rotation(angle: float) -> np.ndarray:
    return np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])


register(Op("LandmarksToTransformMatrix", landmarks_to_transform_matrix, infer))
