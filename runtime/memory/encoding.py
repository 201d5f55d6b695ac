"""Arrays as bytes, for answers that are kept on a disk."""

from __future__ import annotations

import math

import msgspec
import numpy as np

from ..file.schema import DTYPES


class ArrayRecord(msgspec.Struct, array_like=True, forbid_unknown_fields=True):
    """data: in C order, little-endian."""

    dtype: str
    shape: tuple[int, ...]
    data: bytes


def encoded(array: np.ndarray) -> ArrayRecord:
    return ArrayRecord(array.dtype.name, array.shape, array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes())


def decoded(record: ArrayRecord) -> np.ndarray:
    """ValueError where it is none."""
    if record.dtype not in DTYPES or min(record.shape, default=0) < 0:
        raise ValueError(f"no array: {record.dtype} {record.shape}")
    dtype = np.dtype(record.dtype)
    if len(record.data) != dtype.itemsize * math.prod(record.shape):
        raise ValueError(f"{len(record.data)} bytes for {record.dtype} {record.shape}")
    return np.frombuffer(record.data, dtype.newbyteorder("<")).astype(dtype).reshape(record.shape)
