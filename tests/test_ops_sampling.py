"""Operators that ONNX's own cases show from one side only: GridSample and RoiAlign between and beyond pixels, MaxPool's
indices, MaxUnpool, DeformConv in groups; against onnxruntime."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx")

from onnx_models import agree, node

RNG = np.random.default_rng(5)


@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("mode", ["nearest", "linear", "cubic"])
@pytest.mark.parametrize("align", [0, 1])
def test_grid_sample(padding: str, mode: str, align: int) -> None:
    """Places up to two images away."""
    x, grid = RNG.normal(size=(2, 3, 5, 4)).astype(np.float32), RNG.uniform(-4, 4, (2, 6, 7, 2)).astype(np.float32)
    made = node("GridSample", "x g", "y", mode=mode, padding_mode=padding, align_corners=align)
    kinds = {"x": ((2, 3, 5, 4), "float32"), "g": ((2, 6, 7, 2), "float32")}
    agree([made], kinds, feeds={"x": x, "g": grid}, opset=20)


@pytest.mark.parametrize("attrs", [{}, {"sampling_ratio": 2}, {"mode": "max", "sampling_ratio": 3}])
@pytest.mark.parametrize("opset", [10, 16])
def test_roi_align(attrs: dict[str, Any], opset: int) -> None:
    """One region reaches beyond the image, one is a point."""
    rois = np.array([[1, 2, 6, 7], [-3, -2, 20, 30], [4, 4, 4, 4], [0.3, 5.1, 7.7, 5.9]], np.float32)
    feeds = {"x": RNG.normal(size=(2, 3, 9, 8)).astype(np.float32), "r": rois, "b": np.array([0, 1, 1, 0])}
    kinds = {"x": ((2, 3, 9, 8), "float32"), "r": ((4, 4), "float32"), "b": ((4,), "int64")}
    made = node("RoiAlign", "x r b", "y", output_height=3, output_width=2, spatial_scale=0.7, **attrs)
    agree([made], kinds, feeds=feeds, opset=opset)


def test_max_roi_pool() -> None:
    rois = np.array([[0, 1, 2, 6, 7], [1, 0, 0, 7, 8], [0, 4, 4, 4, 4], [1, 3, 5, 30, 30]], np.float32)
    feeds = {"x": RNG.normal(size=(2, 3, 9, 8)).astype(np.float32), "r": rois}
    made = node("MaxRoiPool", "x r", "y", pooled_shape=[3, 2], spatial_scale=0.8)
    agree([made], {"x": ((2, 3, 9, 8), "float32"), "r": ((4, 5), "float32")}, feeds=feeds)


@pytest.mark.parametrize("order", [0, 1])
@pytest.mark.parametrize("attrs", [{"pads": [1, 0, 1, 1]}, {"dilations": [2, 1], "ceil_mode": 1}])
def test_max_pool_with_indices(order: int, attrs: dict[str, Any]) -> None:
    made = node("MaxPool", "x", "y i", kernel_shape=[3, 2], strides=[2, 2], storage_order=order, **attrs)
    graph = agree([made], {"x": ((2, 3, 8, 7), "float32")}, "y i")
    assert sorted(found.op for found in graph.nodes if found.op != "Transpose") == ["MaxPool", "MaxPoolIndices"]
    agree([made], {"x": ((2, 3, 8, 7), "float32")}, "i")


def test_max_unpool_puts_back_what_max_pool_took() -> None:
    pool = node("MaxPool", "x", "p i", kernel_shape=[2, 2], strides=[2, 2])
    back = node("MaxUnpool", "p i", "y", kernel_shape=[2, 2], strides=[2, 2])
    agree([pool, back], {"x": ((2, 3, 8, 6), "float32")})


@pytest.mark.parametrize(("group", "places"), [(1, 1), (2, 1), (1, 2), (2, 4)])
def test_deform_conv(group: int, places: int) -> None:
    feeds = {
        "x": RNG.normal(size=(2, 4, 7, 6)).astype(np.float32),
        "o": RNG.normal(scale=2, size=(2, places * 12, 4, 3)).astype(np.float32),
        "m": RNG.random((2, places * 6, 4, 3)).astype(np.float32),
    }
    constants = {"w": RNG.normal(size=(6, 4 // group, 3, 2)).astype(np.float32), "b": np.arange(6, dtype=np.float32)}
    made = node(
        "DeformConv", "x w o b m", "y", group=group, offset_group=places, strides=[2, 2], pads=[1, 0, 1, 1],
        dilations=[1, 2],
    )  # fmt: skip
    kinds = {name: (array.shape, "float32") for name, array in feeds.items()}
    agree([made], kinds, constants=constants, feeds=feeds, opset=19)
