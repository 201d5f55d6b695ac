"""Bytes of a buffer -> the elements of a constant tensor."""

from __future__ import annotations

from collections.abc import Callable
from math import prod

import numpy as np

from ...runtime.errors import ModelError
from .schema import dtype_of

Buffer = bytes | memoryview


def elements(
    error: Callable[[str], ModelError], name: str, type_name: str, shape: tuple[int, ...], raw: Buffer
) -> np.ndarray:
    """A constant's elements in its shape: int4 as int8, bfloat16 as float32, else a read-only view of the buffer.

    ModelError where the buffer's size is not what the shape needs, and on NaN.
    """
    count = prod(shape)
    if type_name == "INT4":
        data = _nibbles(_bytes(error, name, raw, -(-count // 2)), count)
    elif type_name == "BFLOAT16":
        halves = _bytes(error, name, raw, 2 * count).view("<u2")
        data = (halves.astype(np.uint32) << 16).view(np.float32)
    elif type_name == "BOOL":
        data = _bytes(error, name, raw, count) != 0
    else:
        dtype = dtype_of(type_name)
        if dtype is None:
            raise error(f"tensor '{name}' holds {type_name} elements, which is not supported")
        data = _bytes(error, name, raw, count * dtype.itemsize).view(dtype.newbyteorder("<")).astype(dtype, copy=False)
    if data.dtype.kind == "f" and np.isnan(data).any():
        raise error(f"constant tensor '{name}' holds NaN")
    return data.reshape(shape)


def _bytes(error: Callable[[str], ModelError], name: str, raw: Buffer, size: int) -> np.ndarray:
    if len(raw) != size:
        raise error(f"tensor '{name}' needs {size} bytes by its shape, but its buffer holds {len(raw)}")
    return np.frombuffer(raw, np.uint8)


def _nibbles(packed: np.ndarray, count: int) -> np.ndarray:
    """Signed 4-bit integers, the low nibble first, as int8."""
    pairs = np.stack([packed << 4, packed & 0xF0], axis=-1).view(np.int8) >> 4
    return pairs.reshape(-1)[:count]


DEAD_SCALE = np.float32(2.0**-100)
"""Of a channel whose scale is 0: so small that, times an int32, it is nothing beside any other number of a model."""


def without_dead_channels(
    data: np.ndarray, scale: np.ndarray, zero_point: np.ndarray, axis: int
) -> tuple[np.ndarray, np.ndarray]:
    """(data, scales) of a constant that is quantized per index of the axis, those with scale 0 made zeros of a scale
    above 0, which mean the same. What is added to them, such as a bias in the product of two scales, vanishes, too."""
    dead, shape = scale == 0, [1] * data.ndim
    shape[axis] = -1
    zeros = zero_point.astype(data.dtype).reshape(shape)
    return np.where(dead.reshape(shape), zeros, data), np.where(dead, DEAD_SCALE, scale)
