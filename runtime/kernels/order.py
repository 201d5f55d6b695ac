"""Numbers as integer keys of one order: NaN is the largest number, and zeros of both signs are equal."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..simd.traced import Traced

BYTES = {"f32": 4, "f64": 8, "i64": 8, "i32": 4, "u8": 1, "i8": 1}
"""Elements that have keys."""
INTEGER = {"f32": "i32", "f64": "i64", "u8": "i32", "i8": "i32"}
"""What holds an element's bits, and its key, where that is not its own type."""
INFINITE = {"f32": 0x7F800000, "f64": 0x7FF0000000000000}


def key_of(x: Traced, element: str, smallest: bool, nan_first: bool) -> Traced:
    """Of integer vectors of the elements' bits: the best number has the largest key. smallest: it is the least one.
    nan_first: NaN is better than all numbers, as it is anyway where the best is the largest."""
    from ..simd.traced import where

    turn = -1 if smallest else 0
    if element not in INFINITE:
        return x ^ turn if smallest else x
    bits = 8 * BYTES[element]
    largest = (1 << (bits - 1)) - 1
    size, sign = x & largest, x >> (bits - 1)
    # By bits, as arithmetic takes denormal numbers for zero.
    key = ((size ^ sign) - sign) ^ turn
    return where(size.compare(">", INFINITE[element]), largest if nan_first or not smallest else ~largest, key)
