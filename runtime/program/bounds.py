"""What keeps a program inside of its memory: the bytes that strided elements take up, and numbers that fit 32 bits."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

ALIGNMENT, LEAST_ALIGNMENT = 64, 16
"""Of every storage and every constant, and of storages that are smaller than the first."""
SLACK = 128
"""Bytes after each of them that kernels may read, never write, past the end of a row."""
LEAST, MOST = -(2**31), 2**31 - 1
"""Of the integers that kernels are given."""
LARGEST = 2**32 - 4096
"""Bytes of one block of memory: kernels are given unsigned 32-bit offsets, and the slack behind it needs some."""


class OutOfBounds(ValueError):
    """Elements that reach beyond their memory, memory that is too large, or a number beyond a kernel's 32 bits."""


@lru_cache(1 << 12)
def extent(shape: tuple[int, ...], strides: tuple[int, ...], itemsize: int) -> tuple[int, int]:
    """The bytes first <= i < end around the first element that strided elements take up; (0, 0) where there are none.

    strides: in bytes, as in NumPy.
    """
    first, end = 0, itemsize
    for n, stride in zip(shape, strides, strict=True):
        if n == 0:
            return 0, 0
        if stride < 0:
            first += (n - 1) * stride
        else:
            end += (n - 1) * stride
    return first, end


def check_int32(what: str, number: int) -> None:
    """OutOfBounds where a kernel's integer parameter has no room for the number."""
    if not LEAST <= number <= MOST:
        raise OutOfBounds(f"{what} would be {number}, which 32 bits do not hold")


def int32(what: str, numbers: Any) -> np.ndarray:
    """Integers as a kernel reads them from memory; OutOfBounds where one does not fit. what: names them there."""
    array = np.asarray(numbers)
    if array.size:
        for number in (int(array.min()), int(array.max())):
            check_int32(what, number)
    return array.astype(np.int32)
