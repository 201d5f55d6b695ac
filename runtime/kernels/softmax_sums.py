"""The sums that a softmax of float32 rows needs, as helpers for kernels to inline.

Addresses are of float32 elements; nothing beyond a row's n elements is read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from . import scaled_exponential as scaled

if TYPE_CHECKING:
    from ..compiler.isa import Isa

STRIP_VECTORS = 128
"""What is summed up in float32; such sums are added in float64. It stays in the first-level cache while the reference
of its exponentials is looked for."""
VECTORS = 4
"""Among which a maximum is looked for at once."""
FEW_REGISTERS = 16
"""With which one exponential at a time is faster than two that are interleaved, for want of room for constants."""
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


def unaligned(isa: Isa, always: bool) -> Any:
    """unaligned(x, n) -> how many of n elements from x on lie before the first whole vector that is aligned; 0 where
    a row is too short to care, unless that is asked for."""
    width = isa.lanes

    def count(x, n):  # type: ignore[no-untyped-def]
        if always:
            return min(n, (-(x >> 2)) % width)
        if n < LONG:
            return 0
        return (-(x >> 2)) % width

    return isa.inline(count)


def sums(isa: Isa) -> Sums:
    from ..compiler.horizontal import load_first, reduce
    from ..compiler.isa import bits, from_bits, imax
    from ..compiler.traced import maximum

    width, bytes_ = isa.lanes, 4 * isa.lanes
    load, splat, splat_int = isa.load("f32"), isa.splat("f32"), isa.splat("i32")
    lowest, floor = np.float32(-np.inf), np.float32(scaled.FLOOR)
    rounded, larger = isa.function(scaled.shifted), isa.function(lambda x, y: maximum(x, y), 2)
    shifted = isa.inline(lambda x: bits(rounded(x)))
    step, strip_size, before = VECTORS * width, STRIP_VECTORS * width, unaligned(isa, False)
    add_up, highest_of, highest_int_of = reduce("add"), reduce("max"), reduce("max")
    paired = isa.target.vector_registers > FEW_REGISTERS
    pair = 2 * width if paired else width
    per_two, span = 1 / np.log(2), scaled.SPAN
    zero_bits, grid_bits = scaled.zero_bits(isa.target)
    limit, term = int(scaled.limit(isa.target) * per_two), isa.function(scaled.term, 3)

    @isa.inline
    def peak(x, n):  # type: ignore[no-untyped-def]
        a = splat(lowest)
        b, c, d = a, a, a
        whole = n - n % step
        for at in range(0, whole, step):
            p = x + 4 * at
            a = larger(load(p), a)
            b = larger(load(p + bytes_), b)
            c = larger(load(p + 2 * bytes_), c)
            d = larger(load(p + 3 * bytes_), d)
        for at in range(whole, n, width):
            a = larger(load_first(x + 4 * at, n - at, splat(lowest)), a)
        return highest_of(larger(larger(a, b), larger(c, d)))

    @isa.inline
    def sound(total, highest):  # type: ignore[no-untyped-def]
        return total == total and -limit <= highest <= limit

    @isa.inline
    def exponent(x):  # type: ignore[no-untyped-def]
        inside = floor
        if x > floor:
            inside = min(x, -floor)
        return int(np.floor(inside * per_two + 0.5))

    @isa.inline
    def strip(x, n, reference):  # type: ignore[no-untyped-def]
        a = splat(np.float32(0))
        b, top, references = a, splat_int(0), splat_int(reference)
        whole = n - n % pair
        for at in range(0, whole, pair):
            v = load(x + 4 * at)
            # Bit patterns are compared as integers: in most cores, float comparisons wait for the multipliers.
            top = imax(top, shifted(v))
            a = term(a, v, references)
            if paired:
                w = load(x + 4 * at + bytes_)
                top = imax(top, shifted(w))
                b = term(b, w, references)
        for at in range(whole, n, width):
            v = load_first(x + 4 * at, n - at, splat(floor))
            top = imax(top, shifted(v))
            a = term(a, v, references)
        return add_up(a + b), (highest_int_of(top) - zero_bits) >> grid_bits

    @isa.inline
    def strip_below_floor(x, n, reference):  # type: ignore[no-untyped-def]
        a, top, references, least = splat(np.float32(0)), splat_int(0), splat_int(reference), splat(floor)
        for at in range(0, n, width):
            v = larger(load_first(x + 4 * at, n - at, least), least)
            top = imax(top, shifted(v))
            a = term(a, v, references)
        return add_up(a), (highest_int_of(top) - zero_bits) >> grid_bits

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
        least, tops, bias = splat(floor), splat(top), splat_int(0)
        for first in range(0, n, strip_size):
            last = min(n, first + strip_size)
            a = splat(np.float32(0))
            b = a
            whole = last - (last - first) % pair
            for at in range(first, whole, pair):
                a = term(a, larger(load(x + 4 * at) - tops, least), bias)
                if paired:
                    b = term(b, larger(load(x + 4 * at + bytes_) - tops, least), bias)
            for at in range(whole, last, width):
                a = term(a, larger(load_first(x + 4 * at, last - at, splat(lowest)) - tops, least), bias)
            found = found + add_up(a + b)
        return found

    return Sums(peak, exponent, sound, total, total_below)
