"""Quantized convolutions and matrix products, integer for integer against LiteRT's default kernels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from tflite_cases import Quantized, run_litert, run_quantized

RELU6 = 3


def integers(rng: np.random.Generator, *shape: int, least: int = -128) -> np.ndarray:
    return rng.integers(least, 128, shape).astype(np.int8)


def weights(rng: np.random.Generator, shape: Sequence[int], axis: int) -> Quantized:
    """Per-channel int8 weights along axis."""
    scales = rng.uniform(0.001, 0.01, shape[axis]).astype(np.float32)
    return Quantized(tuple(shape), scales, 0, axis, integers(rng, *shape, least=-127))


def bias_for(rng: np.random.Generator, x: Quantized, w: Quantized) -> Quantized:
    scales = np.asarray(x.scale, np.float32) * np.asarray(w.scale, np.float32)
    data = rng.integers(-20000, 20000, scales.size).astype(np.int32)
    return Quantized(data.shape, scales, 0, 0, data, np.int32)


def conv_options(stride: int, dilation: int, padding: int, multiplier: int) -> tuple[str, dict[str, int]]:
    fields = {"Padding": padding, "StrideH": stride, "StrideW": stride, "FusedActivationFunction": RELU6}
    fields |= {"DilationHFactor": dilation, "DilationWFactor": dilation}
    if multiplier:
        return "DepthwiseConv2DOptions", {**fields, "DepthMultiplier": multiplier}
    return "Conv2DOptions", fields


CASES = [(3, 1, 1, 0), (1, 1, 1, 1), (3, 2, 1, 0), (5, 1, 1, 1), (3, 1, 2, 0)]


@pytest.mark.parametrize(("kernel", "stride", "dilation", "padding"), CASES)
@pytest.mark.parametrize("multiplier", [0, 1, 2], ids=["conv", "depthwise", "depthwise2"])
def test_convolution_is_litert(kernel: int, stride: int, dilation: int, padding: int, multiplier: int) -> None:
    """multiplier 0: an ordinary convolution; TFLite stores depthwise weights as (1, *kernel, C * multiplier)."""
    rng = np.random.default_rng(kernel + stride)
    x = Quantized((1, 13, 11, 8), 0.03, 7)
    data = integers(rng, *x.shape)
    if multiplier:
        w = weights(rng, (1, kernel, kernel, 8 * multiplier), 3)
        assert w.data is not None
        ours = replace(w, data=w.data[0].transpose(2, 0, 1)[..., None], axis=0)
    else:
        w = ours = weights(rng, (24, kernel, kernel, 8), 0)
    bias = bias_for(rng, x, w)
    extent = (kernel - 1) * dilation + 1
    sizes = [-(-s // stride) if padding == 0 else (s - extent) // stride + 1 for s in (13, 11)]
    y = Quantized((1, *sizes, *bias.shape), 0.11, -20)
    kind = "DEPTHWISE_CONV_2D" if multiplier else "CONV_2D"
    want = run_litert(kind, [x, w, bias], y, conv_options(stride, dilation, padding, multiplier), data)
    got = run_quantized(
        "Conv",
        [replace(x, data=data), ours, bias],
        y,
        strides=[stride, stride],
        dilations=[dilation, dilation],
        auto_pad="SAME_UPPER" if padding == 0 else "VALID",
        group=8 if multiplier else 1,
        activation="Relu6",
    )
    np.testing.assert_array_equal(got, want)
    assert len(np.unique(got)) > 20


@pytest.mark.parametrize("stride", [1, 2])
def test_transposed_convolution_is_litert(stride: int) -> None:
    rng = np.random.default_rng(stride)
    x, w = Quantized((1, 6, 5, 8), 0.03, 7), weights(rng, (12, 3, 3, 8), 0)
    data = integers(rng, *x.shape)
    sizes = [6 * stride, 5 * stride]
    y = Quantized((1, *sizes, 12), 0.11, -20)
    shape = Quantized((4,), None, data=np.array(y.shape, np.int32), dtype=np.int32)

    options = ("TransposeConvOptions", {"Padding": 0, "StrideH": stride, "StrideW": stride})
    want = run_litert("TRANSPOSE_CONV", [shape, w, x], y, options, data)
    assert w.data is not None
    ours = replace(w, data=np.ascontiguousarray(np.moveaxis(w.data, 0, -1).transpose(2, 0, 1, 3)), axis=3)
    got = run_quantized(
        "ConvTranspose", [replace(x, data=data), ours], y, strides=[stride, stride], auto_pad="SAME_UPPER"
    )
    np.testing.assert_array_equal(got, want)


FULLY_CONNECTED: tuple[str, dict[str, int]] = ("FullyConnectedOptions", {})


@pytest.mark.parametrize("op", ["Gemm", "MatMul"])
def test_fully_connected_is_litert(op: str) -> None:
    rng = np.random.default_rng(0)
    x, w, y = Quantized((5, 300), 0.03, 7), weights(rng, (40, 300), 0), Quantized((5, 40), 0.5, 3)
    data, bias = integers(rng, *x.shape), bias_for(rng, x, w)
    want = run_litert("FULLY_CONNECTED", [x, w, bias], y, FULLY_CONNECTED, data)
    assert w.data is not None
    columns = replace(w, data=np.ascontiguousarray(w.data.T), axis=1)
    attrs = {"transB": 1} if op == "Gemm" else {}
    got = run_quantized(op, [replace(x, data=data), w if op == "Gemm" else columns, bias], y, **attrs)
    np.testing.assert_array_equal(got, want)
    assert len(np.unique(got)) > 20


def test_requantization_scale_is_computed_in_litert_order() -> None:
    """Accumulators (given by the bias) for which float32 x * w / y and x / y * w round to different integers."""
    rng = np.random.default_rng(4)
    x_scale, y_scale = rng.uniform(0.01, 0.03, 2).astype(np.float32)
    scales, totals = [], []
    for w_scale in rng.uniform(1e-5, 2e-5, 20).astype(np.float32):
        acc = np.arange(-7_000_000, 7_000_000)
        ours = acc.astype(np.float32) * (x_scale * w_scale / y_scale)
        other = acc.astype(np.float32) * (x_scale / y_scale * w_scale)
        chosen = acc[(np.rint(ours) != np.rint(other)) & (np.abs(ours) < 120)][:20]
        scales += [w_scale] * chosen.size
        totals += chosen.tolist()
    assert len(totals) > 100
    x = Quantized((1, 4), float(x_scale))
    w = Quantized((len(totals), 4), scales, 0, 0, np.ones((len(totals), 4), np.int8))
    bias = Quantized((len(totals),), x_scale * np.array(scales), 0, 0, np.array(totals, np.int32), np.int32)
    y, zeros = Quantized((1, len(totals)), float(y_scale)), np.zeros((1, 4), np.int8)
    want = run_litert("FULLY_CONNECTED", [x, w, bias], y, FULLY_CONNECTED, zeros)
    np.testing.assert_array_equal(run_quantized("Gemm", [replace(x, data=zeros), w, bias], y, transB=1), want)


def test_asymmetric_weights_and_wide_sums_are_exact() -> None:
    """K = 4608 with extreme values: partial sums beyond 2**24, where float32 would round."""
    x = Quantized((1, 3, 3, 512), 0.02, -128, data=np.full((1, 3, 3, 512), 127, np.int8))
    kernel = np.full((2, 3, 3, 512), 127, np.int8)
    kernel[1, 0, 0, 0] = 126
    w = Quantized(kernel.shape, 1.0, -128, data=kernel)
    total = 255 * 255 * 4608
    bias = Quantized((2,), 0.02, data=np.array([50 - total, 50 - total], np.int32), dtype=np.int32)
    got = run_quantized("Conv", [x, w, bias], Quantized((), 0.02 * 255))
    exact = (np.array([50, 50 - 255]) / 255).round()
    np.testing.assert_array_equal(got.ravel(), exact)


def test_float_bias_or_curved_activation_goes_through_reals() -> None:
    rng = np.random.default_rng(1)
    x = Quantized((1, 4, 4, 8), 0.03, 7, data=integers(rng, 1, 4, 4, 8))
    w, y = weights(rng, (6, 1, 1, 8), 0), Quantized((), 0.02, -5)
    bias = rng.normal(size=6).astype(np.float32)
    got = run_quantized("Conv", [x, w, bias], y, activation="HardSwish")
    assert x.data is not None and w.data is not None
    real = (x.data - 7.0) * 0.03 @ (w.data[:, 0, 0] * np.asarray(w.scale)[:, None]).T + bias
    curved = real * np.clip(real / 6 + 0.5, 0, 1)
    assert np.abs(got - np.clip(curved / 0.02 - 5, -128, 127)).max() < 0.51
