"""Where Resize samples its input along one axis: indices and weights, for every mode of ONNX's Resize."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np

COORDINATES = (
    *("half_pixel", "half_pixel_symmetric", "pytorch_half_pixel", "align_corners", "asymmetric"),
    *("tf_half_pixel_for_nn", "tf_crop_and_resize"),
)
NEAREST = ("round_prefer_floor", "round_prefer_ceil", "floor", "ceil")
MODES = ("nearest", "linear", "cubic")


class Axis(msgspec.Struct, frozen=True):
    """One resized axis. roi: begin and end of the crop in 0..1, for tf_crop_and_resize."""

    size: int
    output: int
    scale: float
    roi: tuple[float, float] = (0.0, 1.0)


class Method(msgspec.Struct, frozen=True):
    mode: str
    coordinates: str
    nearest: str
    cubic_coeff_a: float
    exclude_outside: bool
    antialias: bool


class Taps(msgspec.Struct, frozen=True):
    """Output i is the sum over t of input[indices[i, t]] * weights[i, t].

    indices: int64, within the axis. weights: float32, each row summing to 1 (to 0 where
    exclude_outside left nothing). outside: bool (output,), which outputs lie outside the input (of a
    tf_crop_and_resize crop) and take the extrapolation value.
    """

    indices: np.ndarray
    weights: np.ndarray
    outside: np.ndarray


def source_coordinates(axis: Axis, transformation: str) -> np.ndarray:
    """float32 position in the input of every output element (ONNX Resize, coordinate_transformation_mode)."""
    x = np.arange(axis.output, dtype=np.float32)
    half, scale = np.float32(0.5), np.float32(axis.scale)
    if transformation == "asymmetric":
        return x / scale
    if transformation == "tf_half_pixel_for_nn":
        return (x + half) / scale
    if transformation == "tf_crop_and_resize":
        begin, end, last = np.float32(axis.roi[0]), np.float32(axis.roi[1]), np.float32(axis.size - 1)
        if axis.output == 1:
            return np.float32(0.5 * float(begin + end) * float(last)) + x
        return begin * last + x * (end - begin) * last / np.float32(axis.output - 1)
    if axis.output == 1 and transformation in ("align_corners", "pytorch_half_pixel"):
        return x
    if transformation == "align_corners":
        return x * np.float32(axis.size - 1) / np.float32(axis.output - 1)
    offset = np.float32(0)
    if transformation == "half_pixel_symmetric":
        adjustment = np.float32(axis.output) / (scale * np.float32(axis.size))
        offset = np.float32(axis.size) * half * (1 - adjustment)
    return offset + (x + half) / scale - half


def nearest_index(position: np.ndarray, rounding: str) -> np.ndarray:
    if rounding == "floor":
        index = np.floor(position)
    elif rounding == "ceil":
        index = np.ceil(position)
    elif rounding == "round_prefer_floor":
        index = np.ceil(position - np.float32(0.5))
    else:
        index = np.floor(position + np.float32(0.5))
    return index.astype(np.int64)


def triangle(distance: np.ndarray) -> np.ndarray:
    return np.maximum(1 - np.abs(distance), np.float32(0))


def cubic(a: float) -> Callable[[np.ndarray], np.ndarray]:
    """Keys' cubic convolution kernel with parameter a."""

    def kernel(distance: np.ndarray) -> np.ndarray:
        d = np.abs(distance)
        inner = ((a + 2) * d - (a + 3)) * d * d + 1
        outer = ((a * d - 5 * a) * d + 8 * a) * d - 4 * a
        return np.where(d <= 1, inner, np.where(d < 2, outer, np.float32(0)))

    return kernel


def taps(axis: Axis, method: Method) -> Taps:
    """Indices beyond the axis repeat its first or last element, or with exclude_outside weigh nothing.

    antialias widens the filter by 1 / scale where the axis shrinks.
    """
    position = source_coordinates(axis, method.coordinates)
    outside = np.zeros(axis.output, bool)
    if method.coordinates == "tf_crop_and_resize":
        outside = (position < 0) | (position > axis.size - 1)
    if method.mode == "nearest":
        index = np.clip(nearest_index(position, method.nearest), 0, axis.size - 1)
        return Taps(index[:, None], np.ones((axis.output, 1), np.float32), outside)
    support, kernel = (1, triangle) if method.mode == "linear" else (2, cubic(method.cubic_coeff_a))
    stretch = np.float32(max(1 / axis.scale, 1)) if method.antialias else np.float32(1)
    reach = support * stretch
    first = np.floor(position - reach).astype(np.int64) + 1
    index = first[:, None] + np.arange(int(np.ceil(2 * reach)))
    weights = kernel((index - position[:, None]).astype(np.float32) / stretch)
    if method.exclude_outside:
        weights = np.where((index < 0) | (index >= axis.size), np.float32(0), weights)
    total = weights.sum(axis=1, keepdims=True)
    weights = weights / np.where(total == 0, np.float32(1), total)
    return Taps(np.clip(index, 0, axis.size - 1), weights.astype(np.float32), outside)
