"""What looks at an image between its pixels or in regions, and where: GridSample, AffineGrid, RoiAlign, MaxRoiPool,
DeformConv."""

from __future__ import annotations

import numpy as np

from ...refusal import too_many_places
from ..call import Call
from ..generic import known_attributes
from ..handlers import handles
from ..job import Unsupported
from ..layout import finish_first, spatial, to_last

_GRID_MODES = {"bilinear": "linear", "bicubic": "cubic"}


@handles("GridSample")
def grid_sample(call: Call) -> None:
    """Until operator set 19 the modes were named as of two dimensions."""
    rank = call.known_rank()
    attrs = known_attributes(call, "GridSample")
    mode = call.text("mode", "linear")
    attrs["mode"] = _GRID_MODES.get(mode, mode)
    finish_first(call, spatial(call, "GridSample", call.input(0), rank, [call.input(1)], attrs), rank)


@handles("AffineGrid")
def affine_grid(call: Call) -> None:
    """theta (N, 2, 3) or (N, 3, 4), a constant size (N, C, *spatial) -> (N, *spatial, 2 or 3), the last axis first.

    ONNX's own definition, which is left with the rest, squeezes an N of 1 away.
    """
    size = call.constant(1)
    if size is None or size.size not in (4, 5):
        raise Unsupported("its size is not a constant of 4 or 5 numbers")
    lengths = [int(length) for length in size[2:]]
    corners = call.integer("align_corners", 0)
    if min(lengths) < 1 + bool(corners):
        raise Unsupported(f"size {size.tolist()} has too few places along an axis")
    if reason := too_many_places(*lengths):
        # ONNX's definition would list them, too.
        raise call.scope.job.error(f"AffineGrid '{call.name}': {reason}")
    places = np.ones((*lengths, len(lengths) + 1), call.dtype(0))
    for axis, length in enumerate(lengths):
        first, step = (-1.0, 2 / (length - 1)) if corners else (1 / length - 1, 2 / length)
        along = [-1 if other == axis else 1 for other in range(len(lengths))]
        places[..., len(lengths) - 1 - axis] = (first + step * np.arange(length)).reshape(along)
    grid = call.add_constant(places.reshape(-1, len(lengths) + 1), "grid", call.dtype(0))
    moved = call.make("MatMul", [grid, call.make("Transpose", [call.input(0)], {"perm": [0, 2, 1]})])
    call.finish("Reshape", [moved, call.add_constant([int(size[0]), *lengths, len(lengths)], "shape", np.int64)])


@handles("RoiAlign")
def roi_align_10(call: Call) -> None:
    _roi_align(call, "output_half_pixel")


@handles("RoiAlign", since=16)
def roi_align(call: Call) -> None:
    _roi_align(call, "half_pixel")


def _roi_align(call: Call, default: str) -> None:
    mode = call.text("coordinate_transformation_mode", default)
    attrs = {**known_attributes(call, "RoiAlign"), "coordinate_transformation_mode": mode}
    finish_first(call, spatial(call, "RoiAlign", call.input(0), 4, call.inputs[1:3], attrs), 4)


@handles("MaxRoiPool")
def max_roi_pool(call: Call) -> None:
    attrs = known_attributes(call, "MaxRoiPool")
    finish_first(call, spatial(call, "MaxRoiPool", call.input(0), 4, [call.input(1)], attrs), 4)


@handles("DeformConv")
def deform_conv(call: Call) -> None:
    rank = call.known_rank(1)
    if rank != 4:
        raise Unsupported(f"weights of rank {rank}; images of two spatial dimensions are supported")
    w, offset = (call.builder.transpose(call.input(index), to_last(4), call.name) for index in (1, 2))
    mask = call.builder.transpose(call.input(4), to_last(4), call.name) if call.has(4) else ""
    attrs = known_attributes(call, "DeformConv", skip=("kernel_shape",))
    finish_first(call, spatial(call, "DeformConv", call.input(0), 4, [w, offset, call.optional(3), mask], attrs), 4)
