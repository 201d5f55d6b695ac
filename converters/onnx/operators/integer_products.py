"""MatMulInteger and ConvInteger: products of 8-bit integers less their zero points, as int32."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..call import Call
from ..handlers import handles
from ..layout import channels_first
from .convolution import convolve, image_rank


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
    data = call.builder.constant(x)
    offset = call.builder.constant(zero_point) if zero_point else np.zeros((), dtype)
    if data is not None and offset is not None:
        offset = offset.reshape(spread) if offset.size > 1 else offset.reshape(())
        return call.add_constant(data.astype(dtype) - offset.astype(dtype), "centred")
    wide = call.make("Cast", [x], {"to": dtype.name})
    if not zero_point:
        return wide
    moved = call.make("Cast", [zero_point], {"to": dtype.name})
    if call.value(zero_point).shape not in ((), (1,)):
        moved = call.make("Reshape", [moved, call.add_constant(spread, "spread", np.int64)])
    return call.make("Sub", [wide, moved])
