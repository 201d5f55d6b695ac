"""MediaPipe's custom operators, against what their definition says: LiteRT's Python package does not run them all."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("tflite")

from flatbuffers import flexbuffers
from tflite_builder import Model, Operator, Tensor, one_operator, run_converted

from millijoule.runtime.errors import ModelError

RNG = np.random.default_rng(6)


def real(shape: tuple[int, ...], name: str = "x") -> Tensor:
    return Tensor(name, shape, "float32")


def floats(*shape: int) -> np.ndarray:
    return RNG.uniform(-1, 1, shape).astype(np.float32)


def run(kind: str, inputs: list[Tensor], output: Tensor, feeds: list[np.ndarray], folder: Path, **options: Any) -> Any:
    packed = bytes(flexbuffers.Dumps(options))
    return run_converted(one_operator(f"CUSTOM {kind}", inputs, [output], None, packed), folder, feeds)[0]


@pytest.mark.parametrize("window", [(2, 2), (2, 3)])
def test_a_pool_and_back(window: tuple[int, int], tmp_path: Path) -> None:
    height, width = window
    options = struct.pack("<6i", 1, width, height, width, height, 0)
    shapes = [(2, 4, 6, 3), (2, 4 // height, 6 // width, 3)]
    tensors = [real(shapes[0]), real(shapes[1], "largest"), real(shapes[1], "place"), real(shapes[0], "back")]
    operators = [
        Operator("CUSTOM MaxPoolingWithArgmax2D", [0], [1, 2], None, options),
        Operator("CUSTOM MaxUnpooling2D", [1, 2], [3], None, options),
    ]
    x = floats(*shapes[0])
    largest, place, back = run_converted(Model(tensors, operators, [0], [1, 2, 3]), tmp_path, [x])
    for batch, row, column, channel in np.ndindex(*shapes[1]):
        part = x[batch, row * height : (row + 1) * height, column * width : (column + 1) * width, channel]
        assert largest[batch, row, column, channel] == part.max()
        assert place[batch, row, column, channel] == np.float32(part.argmax() + np.float32(0.1))
    np.testing.assert_array_equal(back, np.where(np.isin(x, largest), x, 0))


@pytest.mark.parametrize("side", [5000, 2**31 - 1])
def test_more_places_than_are_listed(side: int, tmp_path: Path) -> None:
    tensors = [real((1, 1, 1, 1)), real((1, 1, 1, 1), "place"), real((1, side, side, 1), "y")]
    options = struct.pack("<6i", 1, side, side, side, side, 0)
    unpooling = one_operator("CUSTOM MaxUnpooling2D", tensors[:2], tensors[2:], None, options)
    image = [real((1, 8, 8, 1)), real((1, 4, 4), "matrix")]
    moving = one_operator("CUSTOM TransformTensorBilinear", image, tensors[2:], None, bytes(flexbuffers.Dumps({})))
    for made in (unpooling, moving):
        with pytest.raises(ModelError, match=f"{side}x{side} places are more than"):
            run_converted(made, tmp_path, [])


def matrix() -> np.ndarray:
    found = np.eye(4, dtype=np.float32)
    found[:2, :2] = [[0.8, -0.3], [0.25, 0.9]]
    found[:2, 3] = [0.7, 0.2]
    return found[None]


@pytest.mark.parametrize("dimensions", [2, 3])
def test_landmarks_are_moved(dimensions: int, tmp_path: Path) -> None:
    points, moved = floats(1, 5, dimensions), matrix()
    found = run("TransformLandmarks", [real((1, 5, dimensions)), real((1, 4, 4), "m")], real((1, 5, dimensions), "y"),
                [points, moved], tmp_path)  # fmt: skip
    for point, got in zip(points[0], found[0], strict=True):
        wanted = moved[0] @ np.array([point[0], point[1], 0, 1])
        np.testing.assert_allclose(got, [*wanted[:2], *point[2:]], atol=1e-6)


def test_images_are_moved(tmp_path: Path) -> None:
    image, moved = floats(1, 5, 6, 2), matrix()
    inputs = [real((1, 5, 6, 2)), real((1, 4, 4), "m")]
    found = run("TransformTensorBilinear", inputs, real((1, 4, 7, 2), "y"), [image, moved], tmp_path)
    for row, column in np.ndindex(4, 7):
        x, y = (moved[0] @ np.array([column + 0.5, row + 0.5, 0, 1]))[:2] - 0.5
        wanted = np.zeros(2)
        if 0 <= x <= 5 and 0 <= y <= 4:
            left, top = int(x), int(y)
            for dx, dy in np.ndindex(2, 2):
                weight = (1 - abs(x - left - dx)) * (1 - abs(y - top - dy))
                if weight > 0:
                    wanted += weight * image[0, top + dy, left + dx]
        np.testing.assert_allclose(found[0, row, column], wanted, atol=1e-5)


def test_the_matrix_of_a_crop(tmp_path: Path) -> None:
    """It leads the crop's corners to those of the rectangle, which is twice as large as the landmarks' own."""
    points = np.array([[[2, 3, 0], [8, 3, 0], [3, 5, 0], [6, 1, 0]]], np.float32)
    options = {
        "left_rotation_idx": 0, "right_rotation_idx": 1, "subset_idxs": [0, 1, 2, 3], "target_rotation_radians": 0.0,
        "output_width": 10, "output_height": 20, "scale_x": 2.0, "scale_y": 2.0,
    }  # fmt: skip
    found = run("Landmarks2TransformMatrix", [real((1, 4, 3))], real((1, 4, 4), "m"), [points], tmp_path, **options)
    for corner, wanted in (((0, 0), (-1, -1)), ((10, 20), (11, 7)), ((5, 10), (5, 3))):
        np.testing.assert_allclose((found[0] @ [*corner, 0, 1])[:2], wanted, atol=1e-5)
    turned = points[..., [1, 0, 2]]
    found = run("Landmarks2TransformMatrix", [real((1, 4, 3))], real((1, 4, 4), "m"), [turned], tmp_path, **options)
    np.testing.assert_allclose((found[0] @ [5, 10, 0, 1])[:2], (3, 5), atol=1e-5)
    np.testing.assert_allclose((found[0] @ [6, 10, 0, 1])[:2], (3, 6.2), atol=1e-5)
