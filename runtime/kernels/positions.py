"""Where along an axis the largest or smallest element is: ArgMax and ArgMin.

Elements are compared as the keys of kernels/order.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from ..compiler.abi import Int, Ptr
from .order import BYTES, key_of

if TYPE_CHECKING:
    from ..simd.isa import Isa
    from ..simd.traced import Traced

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
    from ..simd.isa import narrow_load
    from ..simd.traced import where

    lanes = isa.lanes

    def nearer(positions: Traced, keys: Traced, best: Traced, here: Traced) -> Traced:
        return where(keys.compare(">=" if last else ">", best), here, positions)

    nearer_one = isa.function(nearer, 4)
    count = isa.function(lambda x: x.constant(range(lanes)))
    whole = isa.function(lambda x, best, top: where(best.compare("==", top), x, NOWHERE[last]), 3)
    ordered = isa.function(lambda x: key_of(x, element, smallest, nan_first=True))
    read = narrow_load(element, lanes) if BYTES[element] == 1 else isa.load("i32")

    @isa.inline
    def key(address):  # type: ignore[no-untyped-def]
        return ordered(read(address))

    return _Search(key, nearer_one, count, whole)


def position_in_rows(isa: Isa, element: str, smallest: bool, last: bool) -> Callable[..., None]:
    """y: int64 for each of the dense rows of n elements. A chunk is one row."""
    from ..simd.horizontal import keep, reduce
    from ..simd.isa import imax

    key, nearer, count, chosen = _search(isa, element, smallest, last)
    lanes, size, nowhere = isa.lanes, BYTES[element], NOWHERE[last]
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
    lanes, size = isa.lanes, BYTES[element]
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
