"""Where along an axis the largest or smallest element is: ArgMax and ArgMin.

Elements are compared as int32 keys, which for float32 are in the order of the numbers, NaN above all; for the smallest
their complements are, but for NaN's.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from ..compiler.abi import Int, Ptr

if TYPE_CHECKING:
    from ..simd.isa import Isa
    from ..simd.traced import Traced

SIZES = {"f32": 4, "i32": 4, "u8": 1, "i8": 1}
LEAST, LARGEST = -(1 << 31), (1 << 31) - 1
NOWHERE = {False: LARGEST, True: -1}
"""A position that no element has, by whether the last one is looked for: what any other is preferred to."""


class _Search(NamedTuple):
    """key(address) -> keys of a vector of elements. nearer(positions, keys, best, here) -> positions, of which those
    become `here` whose key is better. count(x) -> 0, 1, 2, ... where(positions, best, top) -> those whose best is top,
    else nowhere."""

    key: Any
    nearer: Any
    count: Any
    where: Any


def _search(isa: Isa, element: str, smallest: bool, last: bool) -> _Search:
    from ..simd.isa import bits, narrow_load
    from ..simd.traced import where

    lanes = isa.lanes

    def ordered(x: Traced, zero: Traced) -> Traced:
        # Adding zero makes -0 and 0 one number.
        raw = (x + zero).bits()
        key = raw ^ ((raw >> 31) & LARGEST)
        key = key ^ -1 if smallest else key
        return where(x.compare("==", x), key, LARGEST)

    def nearer(positions: Traced, keys: Traced, best: Traced, here: Traced) -> Traced:
        return where(keys.compare(">=" if last else ">", best), here, positions)

    nearer_one = isa.function(nearer, 4)
    count = isa.function(lambda x: x.constant(range(lanes)))
    whole = isa.function(lambda x, best, top: where(best.compare("==", top), x, NOWHERE[last]), 3)
    turned = isa.function(lambda x: x ^ -1 if smallest else x)
    if element == "f32":
        load, splat = isa.load("f32"), isa.splat("f32")
        order = isa.function(lambda x, zero: ordered(x, zero).from_bits(), 2)

        @isa.inline
        def key(address):  # type: ignore[no-untyped-def]
            return bits(order(load(address), splat(0.0)))
    else:
        read = isa.load("i32") if element == "i32" else narrow_load(element, lanes)

        @isa.inline
        def key(address):  # type: ignore[no-untyped-def]
            return turned(read(address))

    return _Search(key, nearer_one, count, whole)


def position_in_rows(isa: Isa, element: str, smallest: bool, last: bool) -> Callable[..., None]:
    """y: int64 for each of the dense rows of n elements. A chunk is one row."""
    from ..simd.horizontal import keep, reduce
    from ..simd.isa import imax

    key, nearer, count, chosen = _search(isa, element, smallest, last)
    lanes, size, nowhere = isa.lanes, SIZES[element], NOWHERE[last]
    splat, store = isa.splat("i32"), isa.scalar_store("i64")
    highest, first_of = reduce("max"), reduce("max" if last else "min")

    def kernel(start: Int, stop: Int, x: Ptr, y: Ptr, n: Int) -> None:
        first = count(splat(0))
        for row in range(start, stop):
            source = x + row * n * size
            best = keep(key(source), n, splat(LEAST))
            positions = keep(first, n, splat(nowhere))
            at = lanes
            while at < n:
                # The last vector reads again what the one before it has read.
                here = min(at, n - lanes)
                found = key(source + here * size)
                positions = nearer(positions, found, best, first + splat(here))
                best = imax(best, found)
                at = at + lanes
            store(first_of(chosen(positions, best, splat(highest(best)))), y + 8 * row)

    return kernel


def position_across(isa: Isa, element: str, smallest: bool, last: bool) -> Callable[..., None]:
    """y: int32 (outer, inner), of dense x (outer, n, inner). A chunk is one index of outer."""
    from ..simd.horizontal import store_first
    from ..simd.isa import imax

    key, nearer, _, _ = _search(isa, element, smallest, last)
    lanes, size = isa.lanes, SIZES[element]
    splat = isa.splat("i32")

    def kernel(start: Int, stop: Int, x: Ptr, y: Ptr, n: Int, inner: Int) -> None:
        for outer in range(start, stop):
            for at in range(0, inner, lanes):
                source = x + (outer * n * inner + at) * size
                best, positions = key(source), splat(0)
                for here in range(1, n):
                    source = source + inner * size
                    found = key(source)
                    positions = nearer(positions, found, best, splat(here))
                    best = imax(best, found)
                store_first(positions, y + (outer * inner + at) * 4, min(inner - at, lanes))

    return kernel
