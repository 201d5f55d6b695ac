"""Numbers as integer keys of one order, in which zeros of both signs are equal, and NaN is first or last."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..simd.isa import Isa
    from ..simd.traced import Traced

BYTES = {"f32": 4, "f64": 8, "i64": 8, "i32": 4, "u8": 1, "i8": 1}
"""Elements that have keys."""
INTEGER = {"f32": "i32", "f64": "i64", "u8": "i32", "i8": "i32"}
"""What holds an element's bits, and its key, where that is not its own type."""
INFINITE = {"f32": 0x7F800000, "f64": 0x7FF0000000000000}


def key_of(x: Traced, element: str, smallest: bool, nan_first: bool) -> Traced:
    """Of integer vectors of the elements' bits: the best number has the largest key. smallest: it is the least one.
    nan_first: NaN is better than all numbers, else worse."""
    from ..simd.traced import where

    turn = -1 if smallest else 0
    if element not in INFINITE:
        return x ^ turn if smallest else x
    bits = 8 * BYTES[element]
    largest = (1 << (bits - 1)) - 1
    size, sign = x & largest, x >> (bits - 1)
    # By bits, as arithmetic takes denormal numbers for zero.
    key = ((size ^ sign) - sign) ^ turn
    return where(size.compare(">", INFINITE[element]), largest if nan_first else ~largest, key)


def one_key(isa: Isa, element: str, smallest: bool, nan_first: bool) -> Any:
    """key(address) -> int64: that of the one element there."""
    from ..simd.horizontal import reduce
    from ..simd.isa import narrow_load

    load = narrow_load(element, 1) if BYTES[element] == 1 else isa.load(INTEGER.get(element, element), 1)
    key, only = isa.function(lambda x: key_of(x, element, smallest, nan_first)), reduce("max")
    return isa.inline(lambda address: only(key(load(address))))
