"""Pools: references against onnxruntime, integers against LiteRT."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from op_cases import run_onnxruntime, run_reference
from tflite_cases import Quantized, run_litert, run_quantized

from millijoule.runtime.errors import ModelError


def lists(values: st.SearchStrategy[int], size: int) -> st.SearchStrategy[list[int]]:
    return st.lists(values, min_size=size, max_size=size)


@st.composite
def windows(draw: st.DrawFn) -> tuple[np.ndarray, dict[str, Any]]:
    rank = draw(st.integers(1, 3))
    kernel = draw(lists(st.integers(1, 4), rank))
    attrs: dict[str, Any] = {"kernel_shape": kernel, "strides": draw(lists(st.integers(1, 3), rank))}
    auto_pad = draw(st.sampled_from(["NOTSET", "NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"]))
    if auto_pad == "NOTSET":
        attrs["pads"] = [draw(st.integers(0, (k - 1) // 2)) for k in kernel] * 2
        attrs["dilations"] = draw(lists(st.integers(1, 2), rank))
        attrs["ceil_mode"] = draw(st.integers(0, 1))
    else:
        attrs["auto_pad"] = auto_pad
        # where the stride is larger, onnxruntime makes negative pads of SAME, and refuses them or skips pixels
        attrs["strides"] = [min(s, k) for s, k in zip(attrs["strides"], kernel, strict=True)]
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    shape = (draw(st.integers(1, 2)), *draw(lists(st.integers(7, 10), rank)), draw(st.integers(1, 3)))
    return rng.normal(size=shape).astype(np.float32), attrs


def agree(op: str, x: np.ndarray, attrs: dict[str, Any]) -> None:
    (want,) = run_onnxruntime(op, np.ascontiguousarray(np.moveaxis(x, -1, 1)), opset=19, **attrs)
    (got,) = run_reference(op, x, **attrs)
    np.testing.assert_allclose(got, np.moveaxis(want, 1, -1), rtol=1e-5, atol=1e-5)


@settings(max_examples=60, deadline=None)
@given(windows())
def test_max_pool_is_onnxruntimes(case: tuple) -> None:
    agree("MaxPool", *case)


@settings(max_examples=60, deadline=None)
@given(windows(), st.integers(0, 1))
def test_average_pool_is_onnxruntimes(case: tuple, count_include_pad: int) -> None:
    x, attrs = case
    agree("AveragePool", x, {**attrs, "count_include_pad": count_include_pad})


PARTIAL = [
    *(((2, 2), 3, 2, 0), ((2, 6), 3, 2, 0), ((3,), 4, 2, 0), ((1, 1), 2, 2, 0)),
    *(((3, 4, 5), 5, 3, 0), ((2, 3), 5, 3, 1)),
]
"""Sizes of the input, the kernel, the strides and the padding on each side."""


@pytest.mark.parametrize("op", ["MaxPool", "AveragePool"])
@pytest.mark.parametrize(("sizes", "kernel", "stride", "pad"), PARTIAL)
def test_with_ceil_mode_a_window_may_be_larger_than_the_input(
    op: str, sizes: tuple[int, ...], kernel: int, stride: int, pad: int
) -> None:
    rank = len(sizes)
    x = np.random.default_rng(0).normal(size=(2, *sizes, 3)).astype(np.float32)
    attrs: dict[str, Any] = {
        "kernel_shape": [kernel] * rank,
        "strides": [stride] * rank,
        "pads": [pad] * 2 * rank,
        "ceil_mode": 1,
    }
    agree(op, x, attrs)
    with pytest.raises(ModelError, match="larger than the padded input"):
        run_reference(op, x, **{**attrs, "kernel_shape": [max(sizes) + 2 * pad + stride] * rank})


@pytest.mark.parametrize("op", ["GlobalAveragePool", "GlobalMaxPool"])
@pytest.mark.parametrize("shape", [(2, 5, 3), (1, 4, 6, 2), (1, 2, 3, 4, 5)])
def test_global_pools_are_onnxruntimes(op: str, shape: tuple[int, ...]) -> None:
    agree(op, np.random.default_rng(1).normal(size=shape).astype(np.float32), {})


def test_pools_keep_nan_and_ignore_padding() -> None:
    x = np.full((1, 3, 3, 1), -5, np.float32)
    x[0, 0, 0, 0] = np.nan
    (y,) = run_reference("MaxPool", x, kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    assert np.isnan(y[0, 0, 0, 0]) and y[0, 2, 2, 0] == -5


@pytest.mark.parametrize(
    ("attrs", "words"),
    [
        ({"kernel_shape": [2, 2], "pads": [2, 0, 0, 0]}, "reach beyond the kernel"),
        ({"kernel_shape": [9, 2]}, "larger than the padded input"),
        ({"kernel_shape": [2, 2], "strides": [0, 1]}, "strides"),
        ({"kernel_shape": [2, 2], "pads": [-1, 0, 0, 0]}, "pads"),
        ({"kernel_shape": [2]}, "kernel_shape"),
        ({"kernel_shape": [2, 2], "auto_pad": "SAME"}, "auto_pad"),
    ],
)
def test_bad_windows_are_told(attrs: dict[str, Any], words: str) -> None:
    with pytest.raises(ModelError, match=f"tested.*{words}"):
        run_reference("MaxPool", np.zeros((1, 4, 4, 2), np.float32), **attrs)


def window_options(padding: int, stride: int, kernel: int, activation: int) -> tuple[str, dict[str, int]]:
    fields = {"Padding": padding, "StrideH": stride, "StrideW": stride, "FilterWidth": kernel, "FilterHeight": kernel}
    return "Pool2DOptions", {**fields, "FusedActivationFunction": activation}


@pytest.mark.parametrize(("padding", "stride", "kernel"), [(0, 1, 3), (1, 2, 2), (1, 3, 4), (0, 2, 6)])
@pytest.mark.parametrize(("kind", "op"), [("AVERAGE_POOL_2D", "AveragePool"), ("MAX_POOL_2D", "MaxPool")])
def test_quantized_pools_are_litert(kind: str, op: str, padding: int, stride: int, kernel: int) -> None:
    """The average of 4 or 16 stored integers has real ties, rounded away from zero."""
    x = np.random.default_rng(kernel).integers(-128, 128, (1, 12, 12, 64)).astype(np.int8)
    size = -(-12 // stride) if padding == 0 else (12 - kernel) // stride + 1
    source, target = Quantized(x.shape, 0.05, -3), Quantized((1, size, size, 64), 0.05, -3)
    relu6 = 3
    want = run_litert(kind, [source], target, window_options(padding, stride, kernel, relu6), x)
    got = run_quantized(
        op,
        [replace(source, data=x)],
        target,
        kernel_shape=[kernel, kernel],
        strides=[stride, stride],
        auto_pad="SAME_UPPER" if padding == 0 else "VALID",
        activation="Relu6",
    )
    np.testing.assert_array_equal(got, want)


def sums(totals: np.ndarray, count: int) -> np.ndarray:
    """int8 (count, len(totals)) whose columns add up to the totals."""
    quotient, rest = np.divmod(totals, count)
    return (quotient + (np.arange(count)[:, None] < rest)).astype(np.int8)


def test_quantized_mean_is_litert_where_the_scale_decides() -> None:
    """Totals for which the float32 scales x/y/n and x/y*(1/n) round differently: the latter is LiteRT's."""
    height, width, rng = 29, 31, np.random.default_rng(3)
    count, checked = height * width, 0
    reduced = Quantized((2,), None, data=np.array([1, 2], np.int32), dtype=np.int32)

    options = ("ReducerOptions", {"KeepDims": True})
    for _ in range(20):
        x_scale, y_scale = rng.uniform(0.01, 0.03, 2).astype(np.float32)
        totals = np.arange(-128 * count, 127 * count)
        exact = totals.astype(np.float32) * (x_scale / y_scale * (np.float32(1) / np.float32(count)))
        other = totals.astype(np.float32) * (x_scale / y_scale / np.float32(count))
        chosen = totals[(np.rint(exact) != np.rint(other)) & (np.abs(exact) < 120)]
        if not chosen.size:
            continue
        checked += chosen.size
        x = sums(chosen, count).reshape(1, height, width, -1)
        source = Quantized(x.shape, float(x_scale))
        target = Quantized((1, 1, 1, chosen.size), float(y_scale))
        want = run_litert("MEAN", [source, reduced], target, options, x)
        got = run_quantized("GlobalAveragePool", [replace(source, data=x)], target)
        np.testing.assert_array_equal(got, want)
    assert checked >= 5


def test_quantized_pools_requantize_to_another_scale() -> None:
    x = np.random.default_rng(0).integers(-128, 128, (1, 6, 6, 8)).astype(np.int8)
    source, target = Quantized(x.shape, 0.05, 4, data=x), Quantized((), 0.07, -9)
    real = (x.astype(np.float64) - 4) * 0.05
    average = run_quantized("AveragePool", [source], target, kernel_shape=[3, 3], strides=[3, 3])
    largest = run_quantized("MaxPool", [source], target, kernel_shape=[3, 3], strides=[3, 3])
    blocks = real.reshape(1, 2, 3, 2, 3, 8)
    assert np.abs(average - np.clip(blocks.mean((2, 4)) / 0.07 - 9, -128, 127)).max() <= 0.5001
    assert np.abs(largest - np.clip(blocks.max((2, 4)) / 0.07 - 9, -128, 127)).max() <= 0.5001
