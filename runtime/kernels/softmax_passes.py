"""The passes that a softmax of float32 rows is made of, as helpers for kernels to inline.

Addresses are of float32 elements; nothing beyond a row's n elements is read or written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from . import scaled_exponential as scaled

if TYPE_CHECKING:
    from ..compiler.isa import Isa
    from ..compiler.traced import Traced

STRIP_VECTORS = 128
"""What is summed up in float32; such sums are added in float64. It stays in the first-level cache while the reference
of its exponentials is looked for."""
VECTORS = 4
"""Taken at once."""
LONG = 1024
"""Elements from which on a row is worth beginning with less than a vector, so that the others are aligned."""


class Passes(NamedTuple):
    """peak(x, n) -> float32: the largest, NaN where one is.
    exponent(x) -> int64: n of e^x, of x clamped to FLOOR and its opposite; NaN counts as FLOOR.
    total(x, n) -> (float64 sum, int64 reference, int64 highest): sum * 2^reference is the sum of the exponentials, and
    the largest is about 2^highest; worthless unless `sound` of the sum and the highest.
    total_below(x, n, peak) -> float64: the sum of e^(x - peak), for peak not below any x.
    keep(x, y, n) -> (float64, bool): a sum as of `total`, and y = e^x * 2^-reference; and whether all that is sound. It
    gives up where it is not, or where the reference of the first strip does not do for a later one. x is not y.
    write(x, y, n, reference, factor): y = factor * e^x * 2^-reference.
    write_below(x, y, n, peak, factor): y = factor * e^(x - peak).
    keep_below(x, y, n, peak) -> float64: y = e^(x - peak), and their sum.
    scale(y, n, factor): y = y * factor.
    subtract(x, y, n, high, low): y = (x - high) - low.
    """

    peak: Any
    exponent: Any
    sound: Any
    total: Any
    total_below: Any
    keep: Any
    write: Any
    write_below: Any
    keep_below: Any
    scale: Any
    subtract: Any


def passes(isa: Isa, streaming: bool) -> Passes:
    """streaming: results are written past the caches."""
    from ..compiler.horizontal import load_first, reduce, store_first
    from ..compiler.isa import bits, from_bits, imax, stream, umin
    from ..compiler.isa import fence as fence_of
    from ..compiler.traced import maximum

    width = isa.lanes
    step, bytes_, strip_size = VECTORS * width, 4 * width, STRIP_VECTORS * width
    load, store, splat, splat_int = isa.load("f32"), isa.store(), isa.splat("f32"), isa.splat("i32")
    add_up, highest_of, highest_int_of = reduce("add"), reduce("max"), reduce("max")
    lowest, floor, per_two = np.float32(-np.inf), np.float32(scaled.FLOOR), 1 / np.log(2)
    floor_bits, span = int(floor.view(np.int32)), scaled.SPAN
    zero_bits, grid_bits = scaled.zero_bits(isa.target)
    limit = int(scaled.limit(isa.target) * per_two)

    def larger_of(x: Traced, y: Traced) -> Traced:
        return maximum(x, y)

    rounded = isa.function(scaled.shifted)
    shifted = isa.inline(lambda x: bits(rounded(x)))
    larger, term, exponential = isa.function(larger_of, 2), isa.function(scaled.term, 3), isa.function(scaled.scaled, 3)
    put, fence = (stream, fence_of(isa.target)) if streaming else (store, isa.inline(lambda: None))

    @isa.inline
    def unaligned(y, n):  # type: ignore[no-untyped-def]
        if streaming:
            return min(n, (-(y >> 2)) % width)
        if n < LONG:
            return 0
        return (-(y >> 2)) % width

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
        whole = n - n % (2 * width)
        for at in range(0, whole, 2 * width):
            v, w = load(x + 4 * at), load(x + 4 * at + bytes_)
            # Bit patterns are compared as integers: in most cores, float comparisons wait for the multipliers.
            top = imax(top, imax(shifted(v), shifted(w)))
            a, b = term(a, v, references), term(b, w, references)
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
        at, count = 0, unaligned(x, n)
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
            whole = last - (last - first) % (2 * width)
            for at in range(first, whole, 2 * width):
                a = term(a, larger(load(x + 4 * at) - tops, least), bias)
                b = term(b, larger(load(x + 4 * at + bytes_) - tops, least), bias)
            for at in range(whole, last, width):
                a = term(a, larger(load_first(x + 4 * at, last - at, splat(lowest)) - tops, least), bias)
            found = found + add_up(a + b)
        return found

    @isa.inline
    def clamped(v, least):  # type: ignore[no-untyped-def]
        return from_bits(umin(bits(v), least))

    @isa.inline
    def write(x, y, n, reference, factor):  # type: ignore[no-untyped-def]
        least, bias, factors = splat_int(floor_bits), splat_int(reference), splat(np.float32(factor))
        head = unaligned(y, n)
        if head > 0:
            v = clamped(load_first(x, head, splat(floor)), least)
            store_first(exponential(v, bias, factors), y, head)
        whole = n - (n - head) % width
        for at in range(head, whole, width):
            put(exponential(clamped(load(x + 4 * at), least), bias, factors), y + 4 * at)
        if whole < n:
            v = clamped(load_first(x + 4 * whole, n - whole, splat(floor)), least)
            store_first(exponential(v, bias, factors), y + 4 * whole, n - whole)
        fence()

    @isa.inline
    def write_below(x, y, n, top, factor):  # type: ignore[no-untyped-def]
        least, tops, bias, factors = splat(floor), splat(top), splat_int(0), splat(np.float32(factor))
        head = unaligned(y, n)
        if head > 0:
            v = larger(load_first(x, head, least) - tops, least)
            store_first(exponential(v, bias, factors), y, head)
        whole = n - (n - head) % width
        for at in range(head, whole, width):
            put(exponential(larger(load(x + 4 * at) - tops, least), bias, factors), y + 4 * at)
        if whole < n:
            v = larger(load_first(x + 4 * whole, n - whole, least) - tops, least)
            store_first(exponential(v, bias, factors), y + 4 * whole, n - whole)
        fence()

    @isa.inline
    def keep_strip(x, y, n, reference):  # type: ignore[no-untyped-def]
        one, references = splat(np.float32(1)), splat_int(reference)
        a, top = splat(np.float32(0)), splat_int(0)
        b = a
        whole = n - n % (2 * width)
        for at in range(0, whole, 2 * width):
            v, w = load(x + 4 * at), load(x + 4 * at + bytes_)
            top = imax(top, imax(shifted(v), shifted(w)))
            e, f = exponential(v, references, one), exponential(w, references, one)
            put(e, y + 4 * at)
            put(f, y + 4 * at + bytes_)
            a, b = a + e, b + f
        for at in range(whole, n, width):
            v = load_first(x + 4 * at, n - at, splat(floor))
            e = exponential(v, references, one)
            top = imax(top, shifted(v))
            store_first(e, y + 4 * at, n - at)
            a = a + e
        return add_up(a + b), (highest_int_of(top) - zero_bits) >> grid_bits

    @isa.inline
    def keep(x, y, n):  # type: ignore[no-untyped-def]
        found, sound_so_far = 0.0, True
        reference = exponent(peak(x, min(n, strip_size)))
        at, count = 0, unaligned(y, n)
        while at < n and sound_so_far:
            if count == 0:
                count = min(n - at, strip_size)
            part, top = keep_strip(x + 4 * at, y + 4 * at, count, reference)
            found = found + part
            sound_so_far = sound(found, top) and top <= reference + span
            at, count = at + count, 0
        return found, sound_so_far

    @isa.inline
    def keep_below(x, y, n, top):  # type: ignore[no-untyped-def]
        found = 0.0
        one, least, tops, bias = splat(np.float32(1)), splat(floor), splat(top), splat_int(0)
        head = unaligned(y, n)
        if head > 0:
            e = exponential(larger(load_first(x, head, splat(lowest)) - tops, least), bias, one)
            store_first(e, y, head)
            found = found + add_up(e)
        whole = n - (n - head) % width
        for first in range(head, whole, strip_size):
            a = splat(np.float32(0))
            b = a
            last = min(whole, first + strip_size)
            even = last - (last - first) % (2 * width)
            for at in range(first, even, 2 * width):
                e = exponential(larger(load(x + 4 * at) - tops, least), bias, one)
                f = exponential(larger(load(x + 4 * at + bytes_) - tops, least), bias, one)
                put(e, y + 4 * at)
                put(f, y + 4 * at + bytes_)
                a, b = a + e, b + f
            if even < last:
                e = exponential(larger(load(x + 4 * even) - tops, least), bias, one)
                put(e, y + 4 * even)
                a = a + e
            found = found + add_up(a + b)
        if whole < n:
            e = exponential(larger(load_first(x + 4 * whole, n - whole, splat(lowest)) - tops, least), bias, one)
            store_first(e, y + 4 * whole, n - whole)
            found = found + add_up(e)
        fence()
        return found

    @isa.inline
    def scale(y, n, factor):  # type: ignore[no-untyped-def]
        factors = splat(np.float32(factor))
        head = unaligned(y, n)
        if head > 0:
            store_first(load_first(y, head, factors) * factors, y, head)
        whole = n - (n - head) % width
        for at in range(head, whole, width):
            put(load(y + 4 * at) * factors, y + 4 * at)
        if whole < n:
            store_first(load_first(y + 4 * whole, n - whole, factors) * factors, y + 4 * whole, n - whole)
        fence()

    @isa.inline
    def subtract(x, y, n, high, low):  # type: ignore[no-untyped-def]
        highs, lows = splat(np.float32(high)), splat(np.float32(low))
        head = unaligned(y, n)
        if head > 0:
            store_first(load_first(x, head, highs) - highs - lows, y, head)
        whole = n - (n - head) % width
        for at in range(head, whole, width):
            put(load(x + 4 * at) - highs - lows, y + 4 * at)
        if whole < n:
            store_first(load_first(x + 4 * whole, n - whole, highs) - highs - lows, y + 4 * whole, n - whole)
        fence()

    return Passes(peak, exponent, sound, total, total_below, keep, write, write_below, keep_below, scale, subtract)
