"""RESIZE_BILINEAR, RESIZE_NEAREST_NEIGHBOR. Inputs: data (N, H, W, C), the new height and width."""

from __future__ import annotations

from ..handlers import handles
from ..operator import Operator


def _coordinates(op: Operator) -> str:
    align_corners, half_pixel_centers = op.option("AlignCorners", False), op.option("HalfPixelCenters", False)
    if align_corners and half_pixel_centers:
        raise op.unsupported("align_corners and half_pixel_centers contradict each other")
    return "align_corners" if align_corners else "half_pixel" if half_pixel_centers else "asymmetric"


@handles("RESIZE_BILINEAR")
def resize_bilinear(op: Operator) -> None:
    op.node(
        "Resize",
        [op.input(0), "", "", op.int64_input(1, "sizes")],
        [op.output()],
        mode="linear",
        coordinate_transformation_mode=_coordinates(op),
        axes=[1, 2],
    )


@handles("RESIZE_NEAREST_NEIGHBOR")
def resize_nearest(op: Operator) -> None:
    """Corners: the nearest, halves up. Half pixels: floor((x + 0.5) * scale), which is round_prefer_ceil of ONNX's
    coordinate half a pixel lower. Else: floor."""
    coordinates = _coordinates(op)
    op.node(
        "Resize",
        [op.input(0), "", "", op.int64_input(1, "sizes")],
        [op.output()],
        mode="nearest",
        coordinate_transformation_mode=coordinates,
        nearest_mode="floor" if coordinates == "asymmetric" else "round_prefer_ceil",
        axes=[1, 2],
    )
