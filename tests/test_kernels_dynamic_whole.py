"""Kernels of what is rounded over its whole range, against their references: DynamicQuantizeLinear, DynamicConv and
DynamicMatMul of whole tensors."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from kernel_cases import INTEGER_TARGETS, Operand, Output, check_model, check_node, const, feed, node_model


def image(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0.3, 1, size=shape).astype(np.float32)


def weights(shape: tuple[int, ...]) -> list[Operand]:
    """(O, ...) with the largest weights that there are, and scales."""
    rng = np.random.default_rng(shape[0])
    w = rng.integers(-127, 128, shape).astype(np.int8)
    w[0] = 127
    return [const(w), const(rng.uniform(0.001, 0.01, shape[0]).astype(np.float32))]


def check_conv(x: np.ndarray, shape: tuple[int, ...], target: str, **attrs: Any) -> None:
    check_node("DynamicConv", [feed(x), *weights(shape)], [Output("float32")], target=target, rtol=0, atol=0, **attrs)


@pytest.mark.parametrize("target", INTEGER_TARGETS)
@pytest.mark.parametrize("shape", [(1,), (7,), (3, 5), (2, 3, 17), (2, 9, 8, 33), (1, 1, 1, 300)])
@pytest.mark.parametrize("named", [1, 2, 3])
def test_bytes_scale_and_zero_point(named: int, shape: tuple[int, ...], target: str) -> None:
    outputs = [Output("uint8"), Output("float32"), Output("uint8")][:named]
    check_node("DynamicQuantizeLinear", [feed(image(*shape))], outputs, target=target, rtol=0, atol=0)


EXTREMES = {
    "zeros": [0.0, 0.0],
    "below zero": [-3.0, -1.0],
    "above zero": [2.0, 7.0],
    "ties": [-127.5, 127.5],
    "smallest": [1e-45, 3e-44],
    "largest": [-3e38, 3e38],
    "infinite": [-1.0, np.inf],
    "infinite below": [-np.inf, 1.0],
    "no number": [1.0, np.nan],
}


@pytest.mark.parametrize("target", INTEGER_TARGETS)
@pytest.mark.parametrize("numbers", list(EXTREMES.values()), ids=list(EXTREMES))
def test_ranges_of_any_kind(numbers: list[float], target: str) -> None:
    x = np.resize(np.array([*numbers, numbers[0]], np.float32), (5, 9))
    outputs = [Output("uint8"), Output("float32"), Output("uint8")]
    check_node("DynamicQuantizeLinear", [feed(x)], outputs, target=target, rtol=0, atol=0)


@pytest.mark.parametrize("target", INTEGER_TARGETS)
@pytest.mark.parametrize("zero_point", [0, -128, 3, 127])
@pytest.mark.parametrize("channels", [1, 3, 16, 40])
@pytest.mark.parametrize("outputs", [1, 5, 16, 50])
@pytest.mark.parametrize("kernel", [1, 3])
def test_convolutions_are_exact(kernel: int, outputs: int, channels: int, zero_point: int, target: str) -> None:
    x = image(1, 7, 9, channels, seed=channels)
    check_conv(x, (outputs, kernel, kernel, channels), target, pads=[kernel // 2] * 4, w_zero_point=zero_point)


FORMS: dict[str, dict[str, Any]] = {
    "strides": {"strides": [2, 2], "pads": [1, 1, 1, 1]},
    "uneven padding": {"pads": [0, 1, 2, 1], "strides": [2, 1]},
    "dilations": {"dilations": [2, 2], "pads": [2, 2, 2, 2]},
    "groups": {"group": 4, "pads": [1, 1, 1, 1]},
}


@pytest.mark.parametrize("target", INTEGER_TARGETS)
@pytest.mark.parametrize("images", [1, 3])
@pytest.mark.parametrize("form", list(FORMS))
def test_forms_of_convolutions(form: str, images: int, target: str) -> None:
    attrs = FORMS[form]
    x = image(images, 12, 10, 16, seed=images)
    check_conv(x, (32, 3, 3, 16 // attrs.get("group", 1)), target, **attrs)


DEPTHWISE: dict[str, dict[str, Any]] = {
    "padding": {"pads": [1, 1, 1, 1]},
    "strides": {"pads": [0, 0, 1, 1], "strides": [2, 2]},
    "dilations": {"pads": [2, 2, 2, 2], "dilations": [2, 2]},
}


@pytest.mark.parametrize("target", INTEGER_TARGETS)
@pytest.mark.parametrize("outputs", [16, 32])
@pytest.mark.parametrize("form", list(DEPTHWISE))
def test_depthwise(form: str, outputs: int, target: str) -> None:
    """In float32: nine products of up to 2 times 2.6 are added up, each sum within half an ulp of it."""
    inputs = [feed(image(2, 9, 10, 16)), *weights((outputs, 3, 3, 1))]
    check_node(
        "DynamicConv", inputs, [Output("float32")], target=target, group=16, rtol=1e-6, atol=1e-5, w_zero_point=-120,
        **DEPTHWISE[form],
    )  # fmt: skip


@pytest.mark.parametrize("target", INTEGER_TARGETS)
@pytest.mark.parametrize("outputs", [16, 32])
@pytest.mark.parametrize("numbers", list(EXTREMES.values()), ids=list(EXTREMES))
def test_depthwise_of_any_range(numbers: list[float], outputs: int, target: str) -> None:
    """Some outputs read nothing but padding."""
    x = np.resize(np.array([*numbers, 0.0], np.float32), (1, 5, 5, 16))
    inputs = [feed(x), *weights((outputs, 3, 3, 1))]
    largest = max(abs(number) for number in [*numbers, 0] if np.isfinite(number))
    check_node(
        "DynamicConv", inputs, [Output("float32")], target=target, group=16, pads=[3] * 4, rtol=1e-6,
        atol=1e-5 * float(largest),
    )  # fmt: skip


@pytest.mark.parametrize("target", INTEGER_TARGETS)
def test_convolution_along_one_axis(target: str) -> None:
    check_conv(image(2, 30, 12), (24, 5, 12), target, pads=[2, 2])


@pytest.mark.parametrize("target", INTEGER_TARGETS)
@pytest.mark.parametrize("activation", ["Relu", "Gelu", "HardSwish"])
def test_bias_and_activation(activation: str, target: str) -> None:
    bias = np.random.default_rng(3).normal(size=33).astype(np.float32)
    inputs = [feed(image(1, 6, 6, 8)), *weights((33, 3, 3, 8)), const(bias)]
    # HardSwish and Gelu are within a few ulp of their references, which differ by how products are rounded.
    check_node("DynamicConv", inputs, [Output("float32")], target=target, activation=activation, rtol=2e-6, atol=2e-6)


@pytest.mark.parametrize("target", INTEGER_TARGETS)
@pytest.mark.parametrize("numbers", list(EXTREMES.values()), ids=list(EXTREMES))
def test_convolutions_of_any_range(numbers: list[float], target: str) -> None:
    check_conv(np.resize(np.array([*numbers, 0.0], np.float32), (1, 5, 5, 8)), (9, 3, 3, 8), target, pads=[1] * 4)


@pytest.mark.parametrize("target", INTEGER_TARGETS)
@pytest.mark.parametrize("zero_point", [0, -128, 3, 127])
@pytest.mark.parametrize("columns", [1, 17, 100])
@pytest.mark.parametrize("inner", [1, 3, 130])
@pytest.mark.parametrize("rows", [1, 2, 40])
def test_products_are_exact(rows: int, inner: int, columns: int, zero_point: int, target: str) -> None:
    w, scale = weights((columns, inner))
    assert w.data is not None
    b = const(np.ascontiguousarray(w.data.T))
    check_node(
        "DynamicMatMul", [feed(image(rows, inner)), b, scale], [Output("float32")], target=target, whole=1, rtol=0,
        atol=0, w_zero_point=zero_point,
    )  # fmt: skip


def test_very_many_images_run_in_numpy() -> None:
    """Each is a call of its own."""
    x, inputs = image(5000, 1, 1, 2), weights((2, 1, 1, 1))
    model, feeds = node_model("DynamicConv", [feed(x), *inputs], group=2)
    assert check_model(model, feeds, numpy_steps=1) == []


def test_shared_by_threads() -> None:
    inputs = [feed(image(1, 40, 40, 24)), *weights((64, 3, 3, 24))]
    check_node("DynamicConv", inputs, [Output("float32")], threads=2, pads=[1] * 4, rtol=0, atol=0)
