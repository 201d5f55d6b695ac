"""Conv, ConvTranspose, Gemm and MatMul: references against onnxruntime, integers against exact arithmetic."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from op_cases import run_onnxruntime, run_reference

from millijoule.runtime.errors import ModelError
from millijoule.runtime.ops.conv import far_apart
from millijoule.runtime.ops.window import slide


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


FAR_APART: dict[str, tuple[tuple[int, ...], tuple[int, ...], dict[str, Any]]] = {
    "elements": ((1, 3, 4, 2), (3, 2, 2, 2), {"dilations": [1000, 1100], "pads": [1000, 2, 2, 1100]}),
    "windows": ((2, 3, 3, 2), (3, 1, 2, 2), {"strides": [700, 900], "pads": [700, 900, 1400, 901]}),
    "both, in groups": (
        (1, 5, 6, 4), (4, 3, 3, 2),
        {"dilations": [700, 3], "strides": [4, 800], "pads": [700, 803, 705, 2], "group": 2},
    ),
    "channels apart": (
        (1, 5, 6, 3), (3, 3, 1, 1),
        {"dilations": [500, 1], "strides": [1, 800], "pads": [500, 1600, 500, 0], "group": 3},
    ),
    "volume": ((1, 2, 2, 2, 2), (2, 2, 2, 2, 2), {"dilations": [200] * 3, "pads": [200, 1, 200, 1, 201, 2]}),
}  # fmt: skip


@pytest.mark.parametrize("case", FAR_APART)
def test_conv_of_an_image_that_is_mostly_padding(case: str) -> None:
    x_shape, w_shape, attrs = FAR_APART[case]
    rng = np.random.default_rng(3)
    x, w = floats(rng, *x_shape), floats(rng, *w_shape)
    window = slide(
        x_shape[1:-1], w_shape[1:-1], attrs.get("strides", ()), attrs.get("dilations", ()), attrs["pads"], "NOTSET"
    )
    assert far_apart(window, x_shape[1:-1])
    (want,) = run_onnxruntime("Conv", channels_first(x), channels_first(w), **attrs)
    assert np.count_nonzero(want)
    (got,) = run_reference("Conv", x, w, **attrs)
    np.testing.assert_allclose(got, channels_last(want), rtol=1e-5, atol=1e-5)


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
    except ModelError as problem:
        assert "not positive" in str(problem)
        return
    (want,) = run_onnxruntime("ConvTranspose", channels_first(x), channels_first(w), b, **attrs)
    np.testing.assert_allclose(got, channels_last(want), rtol=1e-4, atol=1e-4)


def test_conv_transpose_is_the_gradient_of_conv() -> None:
    rng = np.random.default_rng(5)
    x, w = floats(rng, 2, 7, 6, 4), floats(rng, 6, 3, 2, 2)
    attrs: dict[str, Any] = {"strides": [2, 1], "pads": [1, 0, 1, 1], "group": 2}
    (y,) = run_reference("Conv", x, w, **attrs)
    upstream = floats(rng, *y.shape)
    (back,) = run_reference("ConvTranspose", upstream, w, **attrs)
    assert np.vdot(y, upstream) == pytest.approx(np.vdot(x, back), rel=1e-4)


def test_residual_comes_before_the_activation() -> None:
    rng = np.random.default_rng(2)
    x, w, b, residual = floats(rng, 1, 5, 3), floats(rng, 4, 1, 3), floats(rng, 4), floats(rng, 1, 5, 4)
    (y,) = run_reference("Conv", x, w, b, residual, activation="Clip", activation_params=[-0.5, 0.75])
    want = np.clip(x @ w[:, 0].T + b + residual, -0.5, 0.75)
    np.testing.assert_allclose(y, want, rtol=1e-5, atol=1e-6)


def test_half_precision_is_accumulated_in_single() -> None:
    x, w = np.full((1, 1, 4096), 0.1, np.float16), np.ones((1, 1, 4096), np.float16)
    (y,) = run_reference("Conv", x, w)
    assert y.dtype == np.float16 and y.item() == pytest.approx(4096 * float(np.float16(0.1)), rel=1e-3)


@settings(max_examples=40, deadline=None)
@given(lists(st.integers(1, 5), 3), st.booleans(), st.booleans(), st.integers(0, 3), st.integers())
def test_gemm_is_onnxruntimes(sizes: list[int], trans_a: bool, trans_b: bool, c_form: int, seed: int) -> None:
    m, k, n = sizes
    rng = np.random.default_rng(abs(seed))
    a, b = floats(rng, *((k, m) if trans_a else (m, k))), floats(rng, *((n, k) if trans_b else (k, n)))
    c = [[], [floats(rng, n)], [floats(rng, m, 1)], [floats(rng)]][c_form]
    attrs: dict[str, Any] = {"alpha": 0.5, "beta": 2.0, "transA": int(trans_a), "transB": int(trans_b)}
    (want,) = run_onnxruntime("Gemm", a, b, *c, **attrs)
    (got,) = run_reference("Gemm", a, b, *c, **attrs)
    np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    ("a", "b"),
    [((3, 4), (4, 5)), ((2, 1, 3, 4), (5, 4, 2)), ((4,), (4, 5)), ((3, 4), (4,)), ((4,), (4,)), ((2, 3, 4), (4,))],
)
def test_matmul_is_onnxruntimes(a: tuple[int, ...], b: tuple[int, ...]) -> None:
    rng = np.random.default_rng(0)
    for x, y in ((floats(rng, *a), floats(rng, *b)), (rng.integers(-9, 9, a), rng.integers(-9, 9, b))):
        (want,) = run_onnxruntime("MatMul", x, y)
        (got,) = run_reference("MatMul", x, y)
        np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-6)


def test_matmul_adds_its_bias_along_the_last_axis() -> None:
    rng = np.random.default_rng(0)
    a, b, bias = floats(rng, 2, 3, 4), floats(rng, 4, 5), floats(rng, 5)
    (y,) = run_reference("MatMul", a, b, bias, activation="Relu")
    np.testing.assert_allclose(y, np.maximum(a @ b + bias, 0), rtol=1e-5)


ZEROS = np.zeros((1, 4, 4, 4), np.float32)
BAD = [
    ("Conv", (ZEROS, np.zeros((2, 1, 1, 3), np.float32)), {}, "do not fit 4 input channels"),
    ("Conv", (ZEROS, np.zeros((3, 1, 1, 2), np.float32)), {"group": 2}, "do not fit 4 input channels"),
    ("Conv", (ZEROS, np.zeros((2, 1, 4), np.float32)), {}, "do not make a convolution"),
    ("Conv", (ZEROS, np.zeros((2, 7, 1, 4), np.float32)), {}, "larger than the padded input"),
    ("Conv", (ZEROS, np.zeros((2, 1, 1, 4), np.float32)), {"strides": [1, 0]}, "strides"),
    ("Conv", (ZEROS, np.zeros((2, 1, 1, 4), np.float32)), {"dilations": [1, -2]}, "dilations"),
    ("Conv", (ZEROS, np.zeros((2, 1, 1, 4), np.float32)), {"pads": [1, 1]}, "pads"),
    ("Conv", (ZEROS, np.zeros((2, 1, 1, 4), np.float64)), {}, "float64"),
    ("Conv", (ZEROS, np.zeros((2, 1, 1, 4), np.float32), np.zeros(3, np.float32)), {}, "bias"),
    ("Conv", (ZEROS, np.zeros((2, 1, 1, 4), np.float32)), {"activation": "Foo"}, "cannot be fused"),
    ("Conv", (ZEROS, np.zeros((2, 1, 1, 4), np.float32)), {"activation": "Clip"}, "takes 2 parameters"),
    ("Conv", (ZEROS, np.zeros((2, 1, 1, 4), np.float32), None, ZEROS), {}, "residual"),
    ("Conv", (ZEROS.astype(np.int8), np.zeros((2, 1, 1, 4), np.int8)), {}, "without a quantization"),
    ("ConvTranspose", (ZEROS, np.zeros((3, 1, 1, 2), np.float32)), {}, "do not fit 4 input channels"),
    ("ConvTranspose", (ZEROS, np.zeros((4, 1, 1, 2), np.float32)), {"pads": [3, 0, 3, 0]}, "not positive"),
    ("ConvTranspose", (ZEROS, np.zeros((4, 1, 1, 2), np.float32)), {"output_padding": [2, 0]}, "output_padding"),
    ("Gemm", (ZEROS[0, 0], np.zeros((3, 4), np.float32)), {}, "inner dimension"),
    ("Gemm", (ZEROS[0, 0], np.zeros((4, 3), np.float32), np.zeros(4, np.float32)), {}, "does not broadcast"),
    ("MatMul", (ZEROS, np.zeros((2, 4, 3), np.float32)), {}, "do not broadcast"),
]


@pytest.mark.parametrize(("op", "inputs", "attrs", "words"), BAD)
def test_bad_nodes_are_told(op: str, inputs: tuple, attrs: dict[str, Any], words: str) -> None:
    with pytest.raises(ModelError, match=f"tested.*{words}"):
        run_reference(op, *inputs, **attrs)
