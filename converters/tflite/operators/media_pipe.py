"""MediaPipe's custom operators: pools that tell where their maximum was, and transforms of images and landmarks."""

from __future__ import annotations

import struct

import numpy as np

from ...refusal import too_many_places
from ..custom import flexible
from ..handlers import handles
from ..operator import INT64_MAX, Operator

SAME = 1
INDEX_SHIFT = 0.1
"""What MediaPipe adds to places, which it stores as floats, so that they round down to themselves."""


def _window(op: Operator) -> tuple[int, int]:
    """Height and width of the windows, which must lie side by side. The options are PoolParams as a C struct: padding,
    strides and sizes, horizontal ones first, activation, each int32."""
    if len(op.record.custom_options) < 24:
        raise op.error(f"its options take {len(op.record.custom_options)} bytes instead of 24 or more")
    padding, stride_w, stride_h, width, height, activation = struct.unpack_from("<6i", op.record.custom_options)
    if activation:
        raise op.unsupported(f"fused activation {activation} is not supported")
    if (stride_h, stride_w) != (height, width) or min(height, width) < 1 or padding not in (SAME, SAME + 1):
        raise op.unsupported(f"windows of {height}x{width} every {stride_h}x{stride_w} do not lie side by side")
    return height, width


def _sizes(op: Operator) -> tuple[int, int, int]:
    shape = op.shape(0)
    if len(shape) != 4 or None in shape[1:]:
        raise op.unsupported("its input's height, width and channels are known only at run time")
    return int(shape[1] or 0), int(shape[2] or 0), int(shape[3] or 0)


@handles("CUSTOM MaxPoolingWithArgmax2D")
def max_pool_with_argmax(op: Operator) -> None:
    """Outputs: the maxima, and which element of its window each was, counted by rows."""
    (height, width), (h, w, channels) = _window(op), _sizes(op)
    if h % height or w % width:
        raise op.unsupported(f"windows of {height}x{width} do not fill {h}x{w}")
    cut = op.new(
        "Reshape", [op.real_input(0), op.int64s([-1, h // height, height, w // width, width, channels], "cut")]
    )
    windows = op.new("Transpose", [cut], perm=[0, 1, 3, 2, 4, 5])
    shape = op.int64s([-1, h // height, w // width, height * width, channels], "windows")
    windows = op.new("Reshape", [windows, shape])
    op.node("ReduceMax", [windows, op.int64s([3], "axis")], [op.output()], keepdims=0)
    place = op.cast(op.new("ArgMax", [windows], np.int64, axis=3, keepdims=0), np.float32)
    op.node("Add", [place, op.constant(np.array(INDEX_SHIFT, np.float32), "shift")], [op.output(1)])


@handles("CUSTOM MaxUnpooling2D")
def max_unpooling(op: Operator) -> None:
    """Inputs: maxima, and the places in their windows, at which they are put; all else is 0."""
    (height, width), (h, w, channels) = _window(op), _sizes(op)
    if reason := too_many_places(height, width):
        raise op.unsupported(reason)
    axis = op.int64s([3], "axis")
    places = op.new("Unsqueeze", [op.cast(op.real_input(1), np.int64), axis])
    every = op.constant(np.arange(height * width, dtype=np.int64).reshape(-1, 1), "places")
    zero = op.constant(np.array(0, np.float32), "zero")
    values = op.new("Unsqueeze", [op.real_input(0), axis])
    spread = op.new("Where", [op.new("Equal", [places, every], bool), values, zero], np.float32)
    cut = op.new("Reshape", [spread, op.int64s([-1, h, w, height, width, channels], "cut")])
    woven = op.new("Transpose", [cut], perm=[0, 1, 3, 2, 4, 5])
    op.node("Reshape", [woven, op.int64s([-1, h * height, w * width, channels], "shape")], [op.output()])


@handles("CUSTOM Landmarks2TransformMatrix")
def landmarks_to_matrix(op: Operator) -> None:
    """Of the operator's second version, which takes landmarks (1, count, 3)."""
    options = flexible(op)
    names = ("left_rotation_idx", "right_rotation_idx", "subset_idxs", "target_rotation_radians", "output_width",
             "output_height", "scale_x", "scale_y")  # fmt: skip
    missing = [name for name in names if name not in options]
    if missing or op.rank(0) != 3:
        raise op.unsupported(f"its first version, without {', '.join(missing) or 'landmarks of rank 3'}")
    left, right, subset, angle, width, height, across, down = (options[name] for name in names)
    flat = np.array(subset, np.int64).reshape(-1).tolist()
    op.node(
        "LandmarksToTransformMatrix",
        [op.real_input(0)],
        [op.output()],
        left=int(left), right=int(right), subset=flat, target_rotation=float(angle),
        output_width=int(width), output_height=int(height), scale=[float(across), float(down)],
    )  # fmt: skip


def _part(op: Operator, name: str, axes: list[int], starts: list[int], ends: list[int]) -> str:
    lists = ((starts, "starts"), (ends, "ends"), (axes, "axes"))
    return op.new("Slice", [name, *(op.int64s(numbers, hint) for numbers, hint in lists)])


@handles("CUSTOM TransformLandmarks")
def transform_landmarks(op: Operator) -> None:
    """Inputs: landmarks (1, count, 2 or 3), a matrix (1, 4, 4), which moves their first two coordinates."""
    shape = op.shape(0)
    if len(shape) != 3 or shape[2] not in (2, 3):
        raise op.unsupported(f"landmarks of shape {shape} are not (1, count, 2 or 3)")
    points, matrix = op.real_input(0), op.real_input(1)
    plane = _part(op, points, [2], [0], [2])
    turn = op.new("Transpose", [_part(op, matrix, [1, 2], [0, 0], [2, 2])], perm=[0, 2, 1])
    move = op.new("Transpose", [_part(op, matrix, [1, 2], [0, 3], [2, 4])], perm=[0, 2, 1])
    moved = op.new("Add", [op.new("MatMul", [plane, turn]), move])
    if shape[2] == 2:
        op.node("Identity", [moved], [op.output()])
        return
    op.node("Concat", [moved, _part(op, points, [2], [2], [INT64_MAX])], [op.output()], axis=2)


@handles("CUSTOM TransformTensorBilinear")
def transform_tensor(op: Operator) -> None:
    """Inputs: an image (1, height, width, channels), the matrix (1, 4, 4) that says for the middle of each of the
    output's pixels where in the image it is. What lies outside of it is 0."""
    (h, w, _), target = _sizes(op), op.result_tensor().shape
    if len(target) != 4 or None in target or min(h, w) < 2:
        raise op.unsupported("the sizes of its image and of its output must be known, and 2 or more")
    rows, columns = int(target[1] or 0), int(target[2] or 0)
    if reason := too_many_places(rows, columns):
        raise op.unsupported(reason)
    places = np.ones((rows, columns, 3), np.float32)
    places[..., 0], places[..., 1] = np.arange(columns) + 0.5, np.arange(rows)[:, None] + 0.5
    matrix = op.real_input(1)
    turn, move = _part(op, matrix, [1, 2], [0, 0], [2, 2]), _part(op, matrix, [1, 2], [0, 3], [2, 4])
    both = op.new("Transpose", [op.new("Concat", [turn, move], axis=2)], perm=[0, 2, 1])
    half = op.constant(np.array(0.5, np.float32), "half")
    at = op.new("Sub", [op.new("MatMul", [op.constant(places.reshape(-1, 3), "places"), both]), half])
    last = np.array([w - 1, h - 1], np.float32)
    low, high = op.constant(np.zeros(2, np.float32), "low"), op.constant(last, "high")
    inside = op.new("And", [op.new("GreaterOrEqual", [at, low], bool), op.new("LessOrEqual", [at, high], bool)], bool)
    kept = op.new("ReduceMin", [op.cast(inside, np.float32), op.int64s([2], "axis")], keepdims=1)
    scaled = op.new("Mul", [at, op.constant((2 / last).astype(np.float32), "scale")])
    grid = op.new("Sub", [scaled, op.constant(np.array(1, np.float32), "one")])
    shape = op.int64s([1, rows, columns, 2], "grid")
    seen = op.new("GridSample", [op.real_input(0), op.new("Reshape", [grid, shape])], align_corners=1)
    mask = op.new("Reshape", [kept, op.int64s([1, rows, columns, 1], "mask")])
    op.node("Mul", [seen, mask], [op.output()])
