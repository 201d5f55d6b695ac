"""MatMulInteger and ConvInteger: products of 8-bit integers less their zero points, as int32.

Where the second factor is known and no sum of products can reach 2**24, they are computed in float32, which is exact
then, whatever the order of the sums, and has kernels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import DTypeLike

from ..call import Call
from ..handlers import handles
from ..job import Unsupported
from ..layout import channels_first
from .convolution import convolve, image_rank

LARGEST_CENTRED = 255
"""Magnitude of an 8-bit number less an 8-bit zero point."""
EXACT = 1 << 24
"""Integers below are numbers of float32."""
Summed = Callable[[np.ndarray], tuple[int, ...]]


@handles("MatMulInteger")
def matmul_integer(call: Call) -> None:
    """A zero point of b may be one per column, one of a one per row."""
    weights = known(call, (-1,))
    dtype = exact_dtype(weights, np.int32, lambda data: (max(data.ndim - 2, 0),))
    a = centred(call, call.input(0), call.optional(2), dtype, (-1, 1))
    b = centred(call, call.input(1), call.optional(3), dtype, (-1,)) if weights is None else wide(call, weights, dtype)
    if dtype == np.int32:
        call.finish("MatMul", [a, b])
    else:
        call.finish("Cast", [call.make("MatMul", [a, b])], {"to": "int32"})


@handles("ConvInteger")
def conv_integer(call: Call) -> None:
    """Otherwise computed in float64, in which every sum of 8-bit products is exact."""
    rank = image_rank(call, call.input(0), call.input(1))
    spread = (-1, *[1] * (rank - 1))
    weights = known(call, spread)
    dtype = exact_dtype(weights, np.float64, lambda data: tuple(range(1, data.ndim)))
    if call.has(2) and call.shape(2) not in (None, (), (1,)):
        raise Unsupported(f"its zero point '{call.input(2)}' of shape {call.shape(2)} is not one number")
    x = centred(call, call.input(0), call.optional(2), dtype, (1,))
    w = centred(call, call.input(1), call.optional(3), dtype, spread) if weights is None else wide(call, weights, dtype)
    y = channels_first(call, convolve(call, "Conv", x, w, "", rank), rank)
    call.finish("Cast", [y], {"to": "int32"})


def known(call: Call, spread: Sequence[int]) -> np.ndarray | None:
    """The second factor less its zero point, where both are constants, in the smallest dtype that holds it.

    spread: the shape that a zero point of several elements needs to broadcast.
    """
    zero_point = call.optional(3)
    data = call.builder.constant(call.input(1))
    offset = call.builder.constant(zero_point) if zero_point else np.zeros((), np.int16)
    if data is None or offset is None:
        return None
    try:
        spread_out = offset.reshape(() if offset.size == 1 else spread)
        found = data.astype(np.int16) - np.broadcast_to(spread_out, data.shape)
    except ValueError:
        raise Unsupported(
            f"its zero point '{zero_point}' of shape {offset.shape} does not fit weights of shape {data.shape}"
        ) from None
    narrow = found.astype(np.int8)
    return narrow if np.array_equal(narrow, found) else found


def exact_dtype(weights: np.ndarray | None, otherwise: DTypeLike, summed: Summed) -> np.dtype:
    """float32 where it is exact. summed: the axes of the weights along which products are added up."""
    if weights is None:
        return np.dtype(otherwise)
    largest = LARGEST_CENTRED * np.abs(weights.astype(np.int64)).sum(axis=summed(weights)).max(initial=0)
    return np.dtype(np.float32 if largest < EXACT else otherwise)


def wide(call: Call, weights: np.ndarray, dtype: np.dtype) -> str:
    """Kept as they are in the file, and cast when it is loaded."""
    return call.make("Cast", [call.add_constant(weights, "centred")], {"to": dtype.name})


def centred(call: Call, x: str, zero_point: str, dtype: np.dtype, spread: Sequence[int]) -> str:
    """x - zero_point in dtype; spread: the shape that a zero point of several elements needs to broadcast."""
    wide = call.make("Cast", [x], {"to": dtype.name})
    if not zero_point:
        return wide
    moved = call.make("Cast", [zero_point], {"to": dtype.name})
    if call.value(zero_point).shape not in ((), (1,)):
        moved = call.make("Reshape", [moved, call.add_constant(spread, "spread", np.int64)])
    return call.make("Sub", [wide, moved])
