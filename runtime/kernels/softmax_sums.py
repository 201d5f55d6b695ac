"""The sums that a softmax of float32 rows needs, as helpers for kernels to inline.

Addresses are of float32 elements; nothing beyond a row's n elements is read.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from ..simd.isa import Isa
    from ..targets.target import Target

STRIP_VECTORS = 128
"""What is summed up in float32; such sums are added in float64. It stays in the first-level cache while the reference
of its exponentials is looked for."""
PEAK_VECTORS = 4
"""Among which a maximum is looked for at once."""
LONG = 1024
"""Elements from which on a row is worth beginning with less than a vector, so that the others are aligned."""


class Sums(NamedTuple):
    """peak(x, n) -> float32: the largest; where one is NaN it may be another.
    exponent(x) -> int64: n of e^x, of x clamped to FLOOR and its opposite; NaN counts as FLOOR.
    total(x, n) -> (float64 sum, int64 reference, int64 highest): sum * 2^reference is the sum of the exponentials, and
    the largest is about 2^highest; worthless unless `sound` of the sum and the highest.
    total_below(x, n, peak) -> float64: the sum of e^(x - peak), for peak not below any x.
    """

    peak: Any
    exponent: Any
    sound: Any
    total: Any
    total_below: Any


def vectors_at_once(target: Target) -> int:
    """Of which exponentials are computed side by side. A core that reorders instructions has the next vector begin
    before this one is done, if it looks far enough ahead, as x86 does; with 16 registers, two would not even fit."""
    if target.family == "x86":
        return 1
    return 4 if target.in_order else 2


def unaligned(lanes: int, always: bool) -> Callable[[int, int], int]:
    """unaligned(x, n) -> how many of n elements from x on lie before the first place that is aligned to so many lanes;
    0 where a row is too short to care, unless that is asked for."""

    def count(x, n):  # type: ignore[no-untyped-def]
        if always:
            return min(n, (-(x >> 2)) % lanes)
        if n < LONG:
            return 0
        return (-(x >> 2)) % lanes

    return count


@cache
def some(isa: Isa) -> tuple[Any, Any]:
    """(load(x, count, other), store(vector, y, count)) of a vector, or of its first `count` lanes where those are
    fewer."""
    from ..simd.horizontal import load_first, store_first

    width, load_all, store_all = isa.lanes, isa.load("f32"), isa.store()

    def load(x, count, other):  # type: ignore[no-untyped-def]
        return load_all(x) if count >= width else load_first(x, count, other)

    def store(vector, y, count):  # type: ignore[no-untyped-def]
        if count >= width:
            store_all(vector, y)
        else:
            store_first(vector, y, count)

    return isa.inline(load), isa.inline(store)


@cache
def sums(isa: Isa) -> Sums:
    from ..simd.horizontal import reduce
    from ..simd.isa import bits, from_bits, imax
    from ..simd.traced import maximum
    from . import scaled_exponential as scaled

    width, wide, widest = isa.lanes, vectors_at_once(isa.target) * isa.lanes, PEAK_VECTORS * isa.lanes
    load, splat, splat_int = isa.load("f32", wide), isa.splat("f32"), isa.splat("i32")
    load_widest, splat_widest = isa.load("f32", widest), isa.splat("f32", widest)
    splat_wide, splat_int_wide = isa.splat("f32", wide), isa.splat("i32", wide)
    lowest, floor = np.float32(-np.inf), np.float32(scaled.FLOOR)
    rounded, larger = isa.function(scaled.shifted), isa.function(lambda x, y: maximum(x, y), 2)
    added, largest = isa.fold(lambda x, y: x + y), isa.fold(maximum)
    shifted = isa.inline(lambda x: bits(rounded(x)))
    strip_size, before = STRIP_VECTORS * width, isa.inline(unaligned(width, False))
    add_up, highest_of, highest_int_of = reduce("add"), reduce("max"), reduce("max")
    per_two, span = 1 / np.log(2), scaled.SPAN
    zero_bits, grid_bits = scaled.zero_bits(isa.target)
    limit, term = int(scaled.limit(isa.target) * per_two), isa.function(scaled.term, 3)
    term_below, (load_some, _) = isa.function(scaled.term_below, 3), some(isa)

    @isa.inline
    def peak(x, n):  # type: ignore[no-untyped-def]
        a, whole = splat_widest(lowest), n - n % widest
        for at in range(0, whole, widest):
            a = larger(load_widest(x + 4 * at), a)
        b = largest(a)
        for at in range(whole, n, width):
            b = larger(load_some(x + 4 * at, n - at, splat(lowest)), b)
        return highest_of(b)

    @isa.inline
    def sound(total, highest):  # type: ignore[no-untyped-def]
        return total == total and -limit <= highest <= limit

    @isa.inline
    def exponent(x):  # type: ignore[no-untyped-def]
        inside = floor
        if x > floor:
            inside = min(x, -floor)
        place = inside * per_two + 0.5
        truncated = int(place)
        return truncated - 1 if truncated > place else truncated

    def strip_of(clamped: bool) -> Any:
        def strip(x, n, reference):  # type: ignore[no-untyped-def]
            a, top, references = splat_wide(np.float32(0)), splat_int_wide(0), splat_int_wide(reference)
            whole = n - n % wide
            for at in range(0, whole, wide):
                v = load(x + 4 * at)
                if clamped:
                    v = larger(v, splat_wide(floor))
                # Bit patterns are compared as integers: in most cores, float comparisons wait for the multipliers.
                top = imax(top, shifted(v))
                a = term(a, v, references)
            b, last = added(a), largest(top)
            for at in range(whole, n, width):
                v = load_some(x + 4 * at, n - at, splat(floor))
                if clamped:
                    v = larger(v, splat(floor))
                last = imax(last, shifted(v))
                b = term(b, v, splat_int(reference))
            return add_up(b), (highest_int_of(last) - zero_bits) >> grid_bits

        return isa.inline(strip)

    strip, strip_below_floor = strip_of(False), strip_of(True)

    @isa.inline
    def total(x, n):  # type: ignore[no-untyped-def]
        found = 0.0
        reference = exponent(peak(x, min(n, strip_size)))
        highest = -(1 << 30)
        at, count = 0, before(x, n)
        while at < n:
            if count == 0:
                count = min(n - at, strip_size)
            part, top = strip(x + 4 * at, count, reference)
            if part != part:
                part, top = strip_below_floor(x + 4 * at, count, reference)
            if top > reference + span:
                found = found * highest_of(from_bits(splat_int(max(reference - top + 127, 0) << 23)))
                reference = top
                part, top = strip_below_floor(x + 4 * at, count, reference)
            highest = max(highest, top)
            found = found + part
            at, count = at + count, 0
        return found, reference, highest

    @isa.inline
    def total_below(x, n, top):  # type: ignore[no-untyped-def]
        found = 0.0
        for first in range(0, n, strip_size):
            last = min(n, first + strip_size)
            a = splat_wide(np.float32(0))
            whole = last - (last - first) % wide
            for at in range(first, whole, wide):
                a = term_below(a, load(x + 4 * at), splat_wide(top))
            b = added(a)
            for at in range(whole, last, width):
                b = term_below(b, load_some(x + 4 * at, last - at, splat(lowest)), splat(top))
            found = found + add_up(b)
        return found

    return Sums(peak, exponent, sound, total, total_below)
