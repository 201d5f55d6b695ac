"""Conv, ConvTranspose, Gemm and MatMul: references against onnxruntime, integers against exact arithmetic."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from op_cases import run_onnxruntime, run_reference

from millijoule.runtime.errors import ModelError


def channels_first(x: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(np.moveaxis(x, -1, 1))


def channels_last(x: np.ndarray) -> np.ndarray:
    return np.moveaxis(x, 1, -1)


def floats(rng: np.random.Generator, *shape: int) -> np.ndarray:
    return rng.normal(size=shape).astype(np.float32)


def lists(values: st.SearchStrategy[int], size: int) -> st.SearchStrategy[list[int]]:
    return st.lists(values, min_size=size, max_size=size)


@st.composite
def convolutions(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
    rank = draw(st.integers(1, 3))
    group = draw(st.sampled_from([1, 1, 2, 3]))
    per_group = draw(st.sampled_from([1, 2, 3]))
    outputs = group * draw(st.integers(1, 3))
    kernel = draw(lists(st.integers(1, 3), rank))
    auto_pad = draw(st.sampled_from(["NOTSET", "NOTSET", "SAME_UPPER", "SAME_LOWER", "VALID"]))
    attrs: dict[str, Any] = {"strides": draw(lists(st.integers(1, 3), rank)), "group": group, "auto_pad": auto_pad}
    if not auto_pad.startswith("SAME"):  # onnxruntime refuses dilation there
        attrs["dilations"] = draw(lists(st.integers(1, 2), rank))
    if attrs["auto_pad"] == "NOTSET":
        attrs["pads"] = draw(lists(st.integers(0, 2), 2 * rank))
    spatial = draw(lists(st.integers(5, 9), rank))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    x = floats(rng, draw(st.integers(1, 2)), *spatial, group * per_group)
    return x, floats(rng, outputs, *kernel, per_group), floats(rng, outputs), attrs


@settings(max_examples=60, deadline=None)
@given(convolutions(), st.booleans())
def test_conv_is_onnxruntimes(case: tuple, with_bias: bool) -> None:
    x, w, b, attrs = case
    bias = [b] if with_bias else []
    (want,) = run_onnxruntime("Conv", channels_first(x), channels_first(w), *bias, **attrs)
    (got,) = run_reference("Conv", x, w, *bias, **attrs)
    np.testing.assert_allclose(got, channels_last(want), rtol=1e-4, atol=1e-4)


@st.composite
def transposed(draw: st.DrawFn) -> tuple[np.ndarray, np.ndarray, np.ndarray, dict[str, Any]]:
    rank, group = draw(st.integers(1, 2)), draw(st.sampled_from([1, 1, 2]))
    strides = draw(lists(st.integers(1, 3), rank))
    spatial, kernel = draw(lists(st.integers(2, 5), rank)), draw(lists(st.integers(1, 4), rank))
    form = draw(st.sampled_from(["pads", "output_shape", "SAME_UPPER", "SAME_LOWER", "VALID"]))
    dilations = draw(lists(st.integers(1, 2), rank))
    attrs: dict[str, Any] = {"strides": strides, "dilations": dilations, "group": group}
    if form == "pads":
        attrs["pads"] = draw(lists(st.integers(0, 1), 2 * rank))
        attrs["output_padding"] = [draw(st.integers(0, s - 1)) for s in strides]
    elif form == "output_shape":
        extents = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
        attrs["output_shape"] = [
            (size - 1) * s + draw(st.integers(1, e)) for size, s, e in zip(spatial, strides, extents, strict=True)
        ]
    else:
        attrs["auto_pad"] = form
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    outputs = draw(st.integers(1, 3))
    x = floats(rng, draw(st.integers(1, 2)), *spatial, 2 * group)
    return x, floats(rng, 2 * group, *kernel, outputs), floats(rng, outputs * group), attrs


@settings(max_examples=80, deadline=None)
@given(transposed())
def test_conv_transpose_is_onnxruntimes(case: tuple) -> None:
    x, w, b, attrs = case
    try:
        (got,) = run_reference("ConvTranspose", x, w, b, **attrs)
    except ModelError:
        with pytest.raises(Exception):
            run_onnxruntime("ConvTranspose", channels_first(x), channels_first(w), b, **attrs)
        return
    (want,) = run_onnxruntime("ConvTranspose", channels_first(x), channels_first(w), b, **attrs)
    np.testing.assert_allclose(got, channels_last(want), rtol=1e-4, atol=1e-4)
