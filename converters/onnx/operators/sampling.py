"""What looks at an image between its pixels or in regions: GridSample, RoiAlign, MaxRoiPool, DeformConv."""

from __future__ import annotations

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
