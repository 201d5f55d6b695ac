"""MatMulInteger and ConvInteger: products of 8-bit integers less their zero points, as int32."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .call import Call
from .handlers import handles
from .layout import channels_first
from .of_convolution import convolve, image_rank


@handles("MatMulInteger")
def matmul_integer(call: Call) -> None:
    """A zero point of b may be one per column, one of a one per row."""
    a = centred(call, call.input(0), call.optional(2), np.dtype(np.int32), (-1, 1))
    b = centred(call, call.input(1), call.optional(3), np.dtype(np.int32), (-1,))
    call.finish("MatMul", [a, b])


@handles("ConvInteger")
def conv_integer(call: Call) -> None:
    """Computed in float64, in which every sum of 8-bit products is exact."""
    rank = image_rank(call, call.input(0), call.input(1))
    x = centred(call, call.input(0), call.optional(2), np.dtype(np.float64), (-1,))
    w = centred(call, call.input(1), call.optional(3), np.dtype(np.float64), (-1, *[1] * (rank - 1)))
    y = channels_first(call, convolve(call, "Conv", x, w, "", rank), rank)
    call.finish("Cast", [y], {"to": "int32"})


def centred(call: Call, x: str, zero_point: str, dtype: np.dtype, spread: Sequence[int]) -> str:
    """x - zero_point in dtype; spread: the shape that a zero point of several elements needs to broadcast."""
    shape, data = call.value(x).shape, call.builder.constant(x)
    offset = call.builder.constant(zero_point) if zero_point else None
    if offset is not None and offset.size > 1:
        offset = offset.reshape(spread)
    if data is not None and (offset is not None or not zero_point):
        exact = data.astype(dtype) - (0 if offset is None else offset.astype(dtype))
        return call.add_constant(exact.astype(dtype), "centred")
    wide = call.make("Cast", [x], {"to": dtype.name}, shape)
    if not zero_point:
        return wide
    if offset is not None:
        return call.make("Sub", [wide, call.add_constant(offset.astype(dtype), "offset")], shape=shape)
    return call.make("Sub", [wide, call.make("Cast", [zero_point], {"to": dtype.name})], shape=shape)
