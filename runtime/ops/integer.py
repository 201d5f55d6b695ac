"""The arithmetic of quantized operators. It is the specification: kernels match these functions bit for bit.

real = scale * (q - zero_point). Sums and products of integers become an output by
float32(accumulator) * float32(scale), rounded half to even, as in XNNPACK (and so LiteRT); `add`, `average` and
`softmax` have LiteRT's own arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..graph import Quantization

INT16 = np.iinfo(np.int16)


def quantize(x: np.ndarray, quant: Quantization, dtype: np.dtype | type) -> np.ndarray:
    """round half even(x / scale) + zero_point, saturated to dtype; NaN becomes the zero point (ONNX QuantizeLinear)."""
    scale, zero_point = quant.along(x.ndim)
    return quantize_with(x, scale.astype(x.dtype if x.dtype.kind == "f" else np.float64), zero_point, dtype)


def quantize_with(x: np.ndarray, scale: np.ndarray, zero_point: np.ndarray | int, dtype: np.dtype | type) -> np.ndarray:
    """`quantize` with a scale (of x's dtype) and a zero point that broadcast against x."""
    limits = np.iinfo(dtype)
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        steps = np.nan_to_num(np.rint(x / scale), nan=0.0)
    return np.clip(steps.astype(np.float64) + zero_point, limits.min, limits.max).astype(dtype)


def dequantize(q: np.ndarray, quant: Quantization) -> np.ndarray:
    """float32(q - zero_point) * scale."""
    return centred(q, quant, np.float32) * quant.along(q.ndim)[0]


def centred(q: np.ndarray, quant: Quantization, dtype: np.dtype | type) -> np.ndarray:
    """q - zero_point in dtype, which must hold 17 bits; of int32 rounded once, after the subtraction."""
    zero_point = quant.along(q.ndim)[1]
    if q.dtype.itemsize <= 2:
        return q.astype(dtype) - zero_point.astype(dtype)
    return (q.astype(np.int64) - zero_point).astype(dtype)


def requantize(
    acc: np.ndarray, scale: np.ndarray, zero_point: int, low: int, high: int, dtype: np.dtype | type
) -> np.ndarray:
    """Accumulator to output: float32(acc) * scale, half to even, saturated to int16 (of more than 8 bits: to int32),
    + zero_point, to low..high.

    acc holds integers of any dtype; scale is float32 and broadcasts against acc.
    """
    with np.errstate(over="ignore", invalid="ignore"):
        rounded = np.rint(acc.astype(np.float32) * scale.astype(np.float32))
    bounds = INT16 if np.dtype(dtype).itemsize == 1 else np.iinfo(np.int32)
    saturated = np.clip(np.nan_to_num(rounded, nan=0.0).astype(np.float64), bounds.min, bounds.max).astype(np.int64)
    return np.clip(saturated + int(zero_point), low, high).astype(dtype)


def add_parameters(a: Quantization, b: Quantization, out: Quantization, sign: int = 1) -> tuple[int, int, int, int]:
    """Fixed-point multipliers of a and b, the bias and the shift of `add`.

    The larger of the ratios a.scale/out.scale and b.scale/out.scale gets a multiplier of 21 bits. sign: -1 subtracts b.
    """
    ratios = (a.scale[0] / out.scale[0], b.scale[0] / out.scale[0])
    exponent = int(np.frexp(max(ratios))[1]) - 1
    shift = min(max(20 - exponent, 1), 30)
    multiplier_a = int(np.rint(np.ldexp(np.float64(ratios[0]), shift)))
    multiplier_b = sign * int(np.rint(np.ldexp(np.float64(ratios[1]), shift)))
    bias = (1 << (shift - 1)) - multiplier_a * int(a.zero_point[0]) - multiplier_b * int(b.zero_point[0])
    return multiplier_a, multiplier_b, bias, shift


def add(
    a: np.ndarray, b: np.ndarray, parameters: tuple[int, int, int, int], zero_point: int, low: int, high: int
) -> np.ndarray:
    """(a*ma + b*mb + bias) >> shift, + zero_point, to low..high: XNNPACK's quantized addition; result in int64."""
    multiplier_a, multiplier_b, bias, shift = parameters
    acc = a.astype(np.int64) * multiplier_a + b.astype(np.int64) * multiplier_b + bias
    return np.clip((acc >> shift) + zero_point, low, high)


def average(total: np.ndarray, count: np.ndarray | int) -> np.ndarray:
    """total / count rounded half away from zero, both int64, total a sum of stored integers (TFLite AVERAGE_POOL)."""
    half = np.asarray(count) // 2
    magnitude = (np.abs(total) + half) // count
    return np.sign(total) * magnitude


def mean(
    total: np.ndarray,
    count: np.ndarray | int,
    x: Quantization,
    y: Quantization,
    low: int,
    high: int,
    dtype: np.dtype | type,
) -> np.ndarray:
    """total / count by `requantize`, total a sum of q - zero_point (XNNPACK's mean).

    The float32 scale is x.scale / y.scale * (1 / count), computed from left to right.
    """
    scale = x.scale[0] / y.scale[0] * (np.float32(1) / np.asarray(count, np.float32))
    return requantize(total, scale, y.zero_point[0], low, high, dtype)


def rescale(q: np.ndarray, x: Quantization, y: Quantization, low: int, high: int, dtype: np.dtype | type) -> np.ndarray:
    """Stored integers from quantization x to y, both per tensor, clamped to low..high.

    With different scales this is `requantize`; XNNPACK, whose multiplier has 8 fraction bits here, is up to 1 off.
    """
    if np.array_equal(x.scale, y.scale):
        shifted = q.astype(np.int64) + (int(y.zero_point[0]) - int(x.zero_point[0]))
        return np.clip(shifted, low, high).astype(dtype)
    with np.errstate(over="ignore"):
        factor = x.scale / y.scale
    return requantize(centred(q, x, np.int64), factor, y.zero_point[0], low, high, dtype)


def unary_table(function: Callable[[np.ndarray], np.ndarray], x: Quantization, y: Quantization) -> np.ndarray:
    """int8 outputs of an elementwise function for the int8 inputs -128..127, in this order.

    The function runs in float64, so that the table does not depend on the platform's float32 library.
    """
    real = dequantize(np.arange(-128, 128), x).astype(np.float64)
    with np.errstate(all="ignore"):
        return quantize(function(real).astype(np.float32), y, np.int8)


def softmax_table(scale: float) -> np.ndarray:
    """float32 exp(-scale * d) for the differences d = 0..255 of an input from its row's maximum.

    The argument is rounded to float32 before the exponential and its value after, as LiteRT's table is.
    """
    exponents = np.float32(-scale) * np.arange(256, dtype=np.float32)
    return np.exp(exponents.astype(np.float64)).astype(np.float32)


def softmax(q: np.ndarray, table: np.ndarray, quant: Quantization, dtype: np.dtype | type) -> np.ndarray:
    """Softmax along the last axis of int8 or uint8 q, quant that of the output, as LiteRT computes it in float32.

    The exponentials are summed in order; a probability p becomes floor(p / scale + 0.5) + zero_point.
    """
    distance = q.max(axis=-1, keepdims=True).astype(np.int64) - q
    exponentials = table[distance]
    total = np.add.accumulate(exponentials, axis=-1)[..., -1:]
    inverse = np.float32(1) / (total * quant.scale[0])
    limits = np.iinfo(dtype)
    steps = np.floor(exponentials * inverse + np.float32(0.5)).astype(np.int64) + quant.zero_point[0]
    return np.clip(steps, limits.min, limits.max).astype(dtype)
