"""Resize as a kernel against the NumPy reference: modes, coordinates, axes and dtypes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from kernel_cases import TARGETS, Output, check_node, const, feed, kernels_of, node_model, program_of

from millijoule.runtime.graph import Quantization
from millijoule.runtime.ops.resample import COORDINATES, NEAREST
from millijoule.runtime.program.program import PythonStep
from millijoule.runtime.session import load

RTOL, ATOL = 2e-6, 2e-6
"""Of weighted sums of a few elements of size 1."""
QUANT = Quantization.per_tensor(0.02, -3)
NONE = const(np.zeros(0, np.float32))
MODES = [name for name in COORDINATES if name != "tf_crop_and_resize"]


def floats(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def bytes_(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(-128, 128, shape).astype(np.int8)


def sized(*sizes: int) -> list[Any]:
    return [NONE, NONE, const(np.array(sizes, np.int64))]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("coordinates", MODES)
def test_coordinates(coordinates: str, target: str) -> None:
    attrs: dict[str, Any] = {"coordinate_transformation_mode": coordinates}
    for mode in ("nearest", "linear"):
        for sizes in ((2, 10, 14, 19), (2, 3, 5, 19), (2, 7, 6, 19)):
            check_node(
                "Resize",
                [feed(floats(2, 5, 7, 19)), *sized(*sizes)],
                target=target,
                rtol=RTOL,
                atol=ATOL,
                mode=mode,
                **attrs,
            )
            operands = [feed(bytes_(2, 5, 7, 19), QUANT), *sized(*sizes)]
            check_node("Resize", operands, [Output("int8", QUANT)], target=target, mode=mode, **attrs)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("channels", [1, 3, 16, 200])
def test_channel_counts(channels: int, target: str) -> None:
    for mode in ("nearest", "linear"):
        sizes = sized(1, 7, 9, channels)
        check_node("Resize", [feed(floats(1, 4, 5, channels)), *sizes], target=target, rtol=RTOL, atol=ATOL, mode=mode)
        operands = [feed(bytes_(1, 4, 5, channels), QUANT), *sizes]
        check_node("Resize", operands, [Output("int8", QUANT)], target=target, mode=mode)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("sizes", [(2, 11, 7, 19), (2, 5, 3, 19), (4, 5, 7, 19), (2, 5, 7, 38), (2, 5, 7, 19)])
def test_one_axis(sizes: tuple[int, ...], target: str) -> None:
    for mode in ("nearest", "linear"):
        operands = [feed(floats(2, 5, 7, 19)), *sized(*sizes)]
        check_node("Resize", operands, target=target, rtol=RTOL, atol=ATOL, mode=mode)
        operands = [feed(bytes_(2, 5, 7, 19), QUANT), *sized(*sizes)]
        check_node("Resize", operands, [Output("int8", QUANT)], target=target, mode=mode)


@pytest.mark.parametrize("target", TARGETS)
def test_other_ranks(target: str) -> None:
    check_node(
        "Resize", [feed(floats(2, 7, 19)), *sized(2, 15, 19)], target=target, rtol=RTOL, atol=ATOL, mode="linear"
    )
    check_node("Resize", [feed(floats(9)), *sized(20)], target=target, rtol=RTOL, atol=ATOL, mode="linear")
    check_node("Resize", [feed(floats(2, 3, 4, 5, 3)), *sized(2, 6, 7, 5, 3)], target=target, mode="nearest")
    check_node("Resize", [feed(floats(2, 3, 4, 5, 3)), *sized(3, 6, 7, 9, 3)], target=target, mode="nearest")


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("dtype", ["int64", "uint8", "int16"])
def test_nearest_copies_any_dtype(dtype: str, target: str) -> None:
    data = np.arange(2 * 3 * 4 * 5).reshape(2, 3, 4, 5).astype(dtype)
    check_node("Resize", [feed(data), *sized(2, 6, 9, 5)], [Output(dtype)], target=target, mode="nearest")


@pytest.mark.parametrize("rounding", NEAREST)
def test_rounding_of_nearest(rounding: str) -> None:
    scales = [NONE, const(np.array([1, 1.3, 0.7, 1], np.float32))]
    check_node("Resize", [feed(floats(1, 8, 9, 3)), *scales], mode="nearest", nearest_mode=rounding)


@pytest.mark.parametrize("target", TARGETS)
def test_cubic(target: str) -> None:
    for outside in (0, 1):
        operands = [feed(floats(1, 6, 7, 19)), *sized(1, 9, 5, 19)]
        attrs: dict[str, Any] = {"mode": "cubic", "exclude_outside": outside}
        check_node("Resize", operands, target=target, rtol=RTOL, atol=2 * ATOL, **attrs)


@pytest.mark.parametrize("target", TARGETS)
def test_extreme_bytes(target: str) -> None:
    data = np.where(np.indices((1, 6, 7, 19)).sum(0) % 2, 127, -128).astype(np.int8)
    operands = [feed(data, QUANT), *sized(1, 13, 15, 19)]
    check_node("Resize", operands, [Output("int8", QUANT)], target=target, mode="linear")


def test_what_has_no_kernel_runs_in_numpy() -> None:
    wide: dict[str, Any] = {"mode": "linear", "antialias": 1}
    crop: dict[str, Any] = {"mode": "linear", "coordinate_transformation_mode": "tf_crop_and_resize"}
    corners = const(np.array([0, -0.5, 0, 0, 1, 1.5, 1, 1], np.float32))
    for attrs, operands in ((wide, sized(1, 2, 2, 3)), (crop, [corners, NONE, const(np.array([1, 9, 9, 3]))])):
        model, feeds = node_model("Resize", [feed(floats(1, 12, 12, 3)), *operands], **attrs)
        with load(model) as session:
            session.run(feeds)
            assert [type(step) for step in program_of(session).steps] == [PythonStep]


def test_threads_give_the_same_bits() -> None:
    model, feeds = node_model("Resize", [feed(floats(1, 40, 41, 19)), *sized(1, 80, 90, 19)], mode="linear")
    with load(model, threads=1) as one, load(model, threads=2) as two:
        np.testing.assert_array_equal(one.run(feeds)["y0"], two.run(feeds)["y0"])
        assert kernels_of(one) == kernels_of(two)
