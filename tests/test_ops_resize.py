"""Resize against onnxruntime in every mode, on int8 against LiteRT."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from typing import Any

import numpy as np
import pytest
from op_cases import run_onnxruntime, run_reference
from tflite_cases import Quantized, run_litert, run_quantized

from millijoule.runtime.errors import ModelError
from millijoule.runtime.ops.resample import COORDINATES, NEAREST

X = np.random.default_rng(0).normal(size=(1, 2, 5, 6)).astype(np.float32)
ROI = np.array([0, 0, 0.1, 0.25, 1, 1, 0.9, 1.3], np.float32)
SPECS = [("scales", [1, 1, 2, 2]), ("scales", [1, 1, 0.7, 1.7])]
SPECS += [("sizes", sizes) for sizes in ([1, 2, 4, 11], [1, 2, 7, 1], [1, 2, 11, 5])]


def check(spec: tuple[str, list[float]], **attrs: Any) -> None:
    roi = ROI if attrs["coordinate_transformation_mode"] == "tf_crop_and_resize" else None
    scales = np.array(spec[1], np.float32) if spec[0] == "scales" else None
    sizes = np.array(spec[1], np.int64) if spec[0] == "sizes" else None
    inputs = [X, roi, scales] if sizes is None else [X, roi, None, sizes]
    (want,) = run_onnxruntime("Resize", *inputs, opset=19, **attrs)
    (got,) = run_reference("Resize", *inputs, **attrs)
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(("coordinates", "rounding"), list(product(COORDINATES, NEAREST)))
@pytest.mark.parametrize("spec", SPECS)
def test_nearest_is_onnxruntimes(spec: tuple, coordinates: str, rounding: str) -> None:
    check(
        spec,
        mode="nearest",
        coordinate_transformation_mode=coordinates,
        nearest_mode=rounding,
        extrapolation_value=9.0,
    )


FILTERS: list[tuple[str, dict[str, Any]]] = [
    *(("linear", extra) for extra in ({}, {"antialias": 1})),
    *(("cubic", extra) for extra in ({}, {"antialias": 1}, {"exclude_outside": 1}, {"cubic_coeff_a": -0.5})),
]


@pytest.mark.parametrize(("mode", "extra"), FILTERS)
@pytest.mark.parametrize("coordinates", COORDINATES)
@pytest.mark.parametrize("spec", SPECS)
def test_interpolation_is_onnxruntimes(spec: tuple, mode: str, coordinates: str, extra: dict[str, Any]) -> None:
    check(spec, mode=mode, coordinate_transformation_mode=coordinates, extrapolation_value=9.0, **extra)


@pytest.mark.parametrize("policy", ["stretch", "not_larger", "not_smaller"])
def test_axes_and_aspect_ratio_are_onnxruntimes(policy: str) -> None:
    inputs = [X, None, None, np.array([7, 13], np.int64)]
    attrs: dict[str, Any] = {"axes": [2, 3], "keep_aspect_ratio_policy": policy, "mode": "linear"}
    (want,) = run_onnxruntime("Resize", *inputs, opset=19, **attrs)
    np.testing.assert_allclose(run_reference("Resize", *inputs, **attrs)[0], want, rtol=1e-5, atol=1e-6)


def test_any_rank_and_dtype() -> None:
    x = np.arange(24, dtype=np.int32).reshape(2, 3, 4)
    twice = np.array([2, 1, 2], np.float32)
    (y,) = run_reference("Resize", x, None, twice, coordinate_transformation_mode="asymmetric")
    np.testing.assert_array_equal(y, x.repeat(2, 0).repeat(2, 2))
    volume = np.random.default_rng(0).normal(size=(1, 3, 4, 5, 2)).astype(np.float32)
    sizes = np.array([1, 6, 7, 4, 2], np.int64)
    (got,) = run_reference("Resize", volume, None, None, sizes, mode="linear")
    first = np.ascontiguousarray(np.moveaxis(volume, -1, 1))
    (want,) = run_onnxruntime("Resize", first, None, None, sizes[[0, 4, 1, 2, 3]], mode="linear")
    np.testing.assert_allclose(got, np.moveaxis(want, 1, -1), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("inputs", "attrs", "words"),
    [
        ((None, None, None), {}, "scales or sizes"),
        ((None, np.ones(3, np.float32)), {}, "one for each of 4 axes"),
        ((None, np.array([1, 1, 0, 1], np.float32)), {}, "must be positive"),
        ((None, np.array([1, 1, 0.1, 1], np.float32)), {}, "output sizes"),
        ((None, np.ones(4, np.float32), np.ones(4, np.int64)), {}, "scales or sizes"),
        ((None, np.ones(4, np.float32)), {"mode": "bilinear"}, "mode 'bilinear'"),
        ((None, np.ones(4, np.float32)), {"nearest_mode": "up"}, "nearest_mode 'up'"),
        ((None, np.ones(2, np.float32)), {"axes": [1, 4]}, "axis 4"),
        ((np.ones(3, np.float32), np.ones(4, np.float32)), {}, "roi"),
    ],
)
def test_bad_nodes_are_told(inputs: tuple, attrs: dict[str, Any], words: str) -> None:
    with pytest.raises(ModelError, match=f"tested.*{words}"):
        run_reference("Resize", X, *inputs, **attrs)


@pytest.mark.parametrize("size", [(18, 14), (5, 5), (20, 33), (9, 13)])
@pytest.mark.parametrize("form", ["asymmetric", "align_corners", "half_pixel"])
@pytest.mark.parametrize("mode", ["linear", "nearest"])
def test_quantized_is_litert(mode: str, form: str, size: tuple[int, int]) -> None:
    x = np.random.default_rng(size[1]).integers(-128, 128, (1, 9, 7, 8)).astype(np.int8)
    source, target = Quantized(x.shape, 0.05, 3), Quantized((1, *size, 8), 0.05, 3)
    wanted = Quantized((2,), None, data=np.array(size, np.int32), dtype=np.int32)
    kind = "ResizeBilinear" if mode == "linear" else "ResizeNearestNeighbor"
    flags = {"AlignCorners": form == "align_corners", "HalfPixelCenters": form == "half_pixel"}
    code = "RESIZE_BILINEAR" if mode == "linear" else "RESIZE_NEAREST_NEIGHBOR"
    want = run_litert(code, [source, wanted], target, (f"{kind}Options", flags), x)
    got = run_quantized(
        "Resize",
        [replace(source, data=x), None, None, np.array(size)],
        target,
        mode=mode,
        coordinate_transformation_mode=form,
        axes=[1, 2],
        nearest_mode="floor" if form == "asymmetric" else "round_prefer_ceil",
    )
    np.testing.assert_array_equal(got, want)


def test_quantized_to_another_scale_goes_through_reals() -> None:
    x = np.random.default_rng(0).integers(-128, 128, (1, 4, 4, 2)).astype(np.int8)
    sizes = np.array([1, 7, 3, 2])
    source = Quantized(x.shape, 0.05, 3, data=x)
    got = run_quantized("Resize", [source, None, None, sizes], Quantized((), 0.06, -3), mode="linear")
    (real,) = run_reference("Resize", (x - np.float32(3)) * np.float32(0.05), None, None, sizes, mode="linear")
    assert np.abs(got - np.clip(real / 0.06 - 3, -128, 127)).max() <= 0.5001
