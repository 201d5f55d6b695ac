"""QuantizeLinear, DequantizeLinear, and the operators on quantized tensors that stand for them and a float operator."""

from __future__ import annotations

import numpy as np

from ..call import Call
from ..generic import known_attributes
from ..handlers import MICROSOFT, handles
from ..job import Unsupported
from ..layout import channels_first
from ..narrow import limits
from ..tensors import NARROW_FLOATS, element_type, held_dtype, is_narrow
from .convolution import convolve, image_rank


@handles("QuantizeLinear")
@handles("QuantizeLinear", domain=MICROSOFT)
def quantize_linear(call: Call) -> None:
    """To narrow integers: as to the wider ones that they are held in, then within their own limits."""
    code = _result_type(call)
    if not is_narrow(code):
        call.finish("QuantizeLinear", call.inputs, known_attributes(call, "QuantizeLinear"))
        return
    attrs, held = known_attributes(call, "QuantizeLinear", skip=("output_dtype",)), held_dtype(code)
    assert held is not None
    call.scope.job.narrow[call.outputs[0]] = code
    if code in NARROW_FLOATS:
        quotient = call.make("Div", [_real(call, call.input(0)), _spread(call, call.input(1))])
        if _moves(call):
            quotient = call.make("Add", [quotient, _spread(call, call.input(2))])
        rounding = {"format": NARROW_FLOATS[code], "saturate": call.integer("saturate", 1)}
        call.finish("RoundToFormat", [quotient], rounding)
        return
    low, high = (
        call.add_constant(limit, what, held) for limit, what in zip(limits(code), ("low", "high"), strict=True)
    )
    stored = call.make("QuantizeLinear", call.inputs, {**attrs, "output_dtype": held.name})
    call.finish("Clip", [stored, low, high])


def _result_type(call: Call) -> int:
    """The element type that output_dtype or a narrow zero point names, 0 where neither does."""
    stated = call.integer("output_dtype", 0)
    if not call.has(2):
        return stated
    found = call.scope.job.narrow.get(call.input(2), 0)
    if stated and (stated != found if found else call.dtype(2) != held_dtype(stated)):
        kind = element_type(found) if found else call.dtype(2)
        raise Unsupported(
            f"its zero point '{call.input(2)}' is {kind}, but output_dtype says {element_type(stated)}; "
            "leave one of them out or make them agree"
        )
    return stated or found


@handles("DequantizeLinear")
@handles("DequantizeLinear", domain=MICROSOFT)
def dequantize_linear(call: Call) -> None:
    """Narrow floats are multiplied by their scale; their zero point is 0 wherever it is known."""
    if call.scope.job.narrow.get(call.input(0)) not in NARROW_FLOATS:
        call.finish("DequantizeLinear", call.inputs, known_attributes(call, "DequantizeLinear"))
        return
    dtype = known_attributes(call, "DequantizeLinear").get("output_dtype", call.dtype(1).name)
    steps = call.make("Sub", [call.input(0), _spread(call, call.input(2))]) if _moves(call) else call.input(0)
    product = call.make("Mul", [steps, _spread(call, call.input(1))])
    call.finish("Cast", [product], {"to": dtype})


def _moves(call: Call) -> bool:
    """Whether there is a zero point that may be another number than 0."""
    if not call.has(2):
        return False
    known = call.constant(2)
    return known is None or bool(known.any())


def _real(call: Call, x: str) -> str:
    return x if call.value(x).dtype == np.float32 else call.make("Cast", [x], {"to": "float32"})


def _spread(call: Call, scale: str) -> str:
    """The scale as float32, shaped to broadcast against the first input along the axis."""
    shape, real = call.value(scale).shape, _real(call, scale)
    if shape in ((), (1,)):
        return real
    rank = call.known_rank()
    if shape is None or len(shape) != 1 or call.integer("block_size", 0):
        raise Unsupported("8-bit and 4-bit floats in blocks are not supported")
    sizes = [1] * rank
    sizes[call.integer("axis", 1) % rank] = -1
    return call.make("Reshape", [real, call.add_constant(sizes, "spread", np.int64)])


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
