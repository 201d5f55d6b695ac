"""QuantizeLinear, DequantizeLinear, and the operators on quantized tensors that stand for them and a float operator."""

from __future__ import annotations

import numpy as np

from ..call import Call
from ..generic import known_attributes
from ..handlers import MICROSOFT, handles
from ..job import Unsupported
from ..layout import channels_first
from .convolution import convolve, image_rank


@handles("QuantizeLinear")
@handles("QuantizeLinear", domain=MICROSOFT)
def quantize_linear(call: Call) -> None:
    if call.optional(2) in call.scope.job.narrow:
        raise Unsupported("quantization to fewer than 8 bits is supported for weights only")
    call.finish("QuantizeLinear", call.inputs, known_attributes(call, "QuantizeLinear"))


@handles("DequantizeLinear")
@handles("DequantizeLinear", domain=MICROSOFT)
def dequantize_linear(call: Call) -> None:
    call.finish("DequantizeLinear", call.inputs, known_attributes(call, "DequantizeLinear"))


def dequantized(call: Call, x: str, scale: str, zero_point: str, axis: int = 1) -> str:
    """The real numbers that x stands for; axis: along which scale varies, if it does."""
    attrs = {"axis": axis} if call.value(scale).shape not in ((), (1,)) else {}
    return call.make("DequantizeLinear", [x, scale, zero_point], attrs)


def finish_quantized(call: Call, y: str, scale: str, zero_point: str) -> None:
    call.finish("QuantizeLinear", [y, scale, zero_point])


@handles("QLinearConv")
def q_linear_conv(call: Call) -> None:
    """Inputs x, x_scale, x_zero_point, w, w_scale, w_zero_point, y_scale, y_zero_point, bias (int32, with scale
    x_scale * w_scale)."""
    x_scale, w_scale = call.input(1), call.input(4)
    x = dequantized(call, call.input(0), x_scale, call.input(2))
    w = dequantized(call, call.input(3), w_scale, call.input(5), axis=0)
    rank = image_rank(call, x, w)
    bias = ""
    if call.has(8):
        bias = dequantized(call, call.input(8), product(call, x_scale, w_scale), "", axis=0)
    y = channels_first(call, convolve(call, "Conv", x, w, bias, rank), rank)
    finish_quantized(call, y, call.input(6), call.optional(7))


def product(call: Call, a: str, b: str) -> str:
    """a * b, of which one may be a scalar."""
    left, right = call.builder.constant(a), call.builder.constant(b)
    if left is None or right is None:
        return call.make("Mul", [a, b])
    if left.dtype != right.dtype or (left.size != 1 and right.size != 1):
        raise Unsupported(f"scales of shapes {left.shape} and {right.shape} do not fit")
    with np.errstate(over="ignore", under="ignore"):
        return call.add_constant((left.reshape(-1) * right.reshape(-1)).reshape(-1), "scale")


@handles("QLinearMatMul")
def q_linear_matmul(call: Call) -> None:
    """Inputs a, a_scale, a_zero_point, b, b_scale, b_zero_point, y_scale, y_zero_point; scales per tensor, or one per
    row of a and column of b."""
    a = dequantized(call, call.input(0), call.input(1), call.input(2), axis=-2)
    b = dequantized(call, call.input(3), call.input(4), call.input(5), axis=-1)
    finish_quantized(call, call.make("MatMul", [a, b]), call.input(6), call.input(7))
