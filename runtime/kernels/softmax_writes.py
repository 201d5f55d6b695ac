"""What a softmax of float32 rows writes, as helpers for kernels to inline.

Addresses are of float32 elements; nothing beyond a row's n elements is read or written.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from .softmax_sums import STRIP_VECTORS, some, sums, unaligned, vectors_at_once

if TYPE_CHECKING:
    from ..simd.isa import Isa
    from ..simd.traced import Traced


class Writes(NamedTuple):
    """write(x, y, n, reference, factor): y = factor * e^x * 2^-reference.
    write_below(x, y, n, peak, factor): y = factor * e^(x - peak).
    keep(x, y, n) -> (float64, bool): a sum as of Sums.total, and y = e^x * 2^-reference; and whether all that is sound.
    It gives up where it is not, or where the reference of the first strip does not do for a later one. x is not y.
    keep_below(x, y, n, peak) -> float64: y = e^(x - peak), and their sum.
    scale(y, n, factor): y = y * factor.
    subtract(x, y, n, high, low): y = (x - high) - low.
    """

    write: Any
    write_below: Any
    keep: Any
    keep_below: Any
    scale: Any
    subtract: Any


@cache
def writes(isa: Isa, streaming: bool) -> Writes:
    """streaming: results are written past the caches."""
    from ..simd.horizontal import reduce
    from ..simd.isa import bits, fence, imax, stream
    from ..simd.traced import maximum
    from . import scaled_exponential as scaled

    width, wide = isa.lanes, vectors_at_once(isa.target) * isa.lanes
    load, splat, splat_int = isa.load("f32", wide), isa.splat("f32", wide), isa.splat("i32", wide)
    vector, vector_int, floor = isa.splat("f32"), isa.splat("i32"), np.float32(scaled.FLOOR)
    lowest = np.float32(-np.inf)
    rounded, add_up, highest_int_of = isa.function(scaled.shifted), reduce("add"), reduce("max")
    added, largest = isa.fold(lambda x, y: x + y), isa.fold(maximum)
    shifted = isa.inline(lambda x: bits(rounded(x)))
    strip_size, before = STRIP_VECTORS * width, isa.inline(unaligned(wide if streaming else width, streaming))
    exponential, below = isa.function(scaled.scaled, 3), isa.function(scaled.scaled_below, 3)
    put, done = (stream, fence(isa.target)) if streaming else (isa.store(), isa.inline(lambda: None))
    zero_bits, grid_bits = scaled.zero_bits(isa.target)
    load_some, store_some = some(isa)
    summed = sums(isa)
    peak, exponent, sound = summed.peak, summed.exponent, summed.sound

    def each(compute: Callable[..., Traced], first: str = "f32") -> Any:
        """each(x, y, n, a, b): y = compute(x, a, b), of a vector function. first: what a is."""
        step = isa.function(compute, 3)
        one_of, many_of = isa.splat(first), isa.splat(first, wide)

        def loop(x, y, n, a, b):  # type: ignore[no-untyped-def]
            head = before(y, n)
            for at in range(0, head, width):
                v = load_some(x + 4 * at, head - at, vector(floor))
                store_some(step(v, one_of(a), vector(b)), y + 4 * at, head - at)
            whole = n - (n - head) % wide
            for at in range(head, whole, wide):
                put(step(load(x + 4 * at), many_of(a), splat(b)), y + 4 * at)
            for at in range(whole, n, width):
                v = load_some(x + 4 * at, n - at, vector(floor))
                store_some(step(v, one_of(a), vector(b)), y + 4 * at, n - at)
            done()

        return isa.inline(loop)

    exponentials, exponentials_below = each(scaled.scaled_or_zero, "i32"), each(scaled.scaled_below)
    products, differences = each(lambda x, factor, _: x * factor), each(lambda x, high, low: x - high - low)

    @isa.inline
    def write(x, y, n, reference, factor):  # type: ignore[no-untyped-def]
        exponentials(x, y, n, reference, np.float32(factor))

    @isa.inline
    def write_below(x, y, n, top, factor):  # type: ignore[no-untyped-def]
        # The exponential wants a normal factor; NaN comes through its argument.
        if factor != factor:
            top = np.float32(factor)
        exponentials_below(x, y, n, top, np.float32(factor))

    @isa.inline
    def scale(y, n, factor):  # type: ignore[no-untyped-def]
        products(y, y, n, np.float32(factor), np.float32(0))

    @isa.inline
    def subtract(x, y, n, high, low):  # type: ignore[no-untyped-def]
        differences(x, y, n, np.float32(high), np.float32(low))

    @isa.inline
    def keep_strip(x, y, n, reference):  # type: ignore[no-untyped-def]
        one, zero = np.float32(1), np.float32(0)
        a, top, whole = splat(zero), splat_int(0), n - n % wide
        for at in range(0, whole, wide):
            v = load(x + 4 * at)
            top = imax(top, shifted(v))
            e = exponential(v, splat_int(reference), splat(one))
            put(e, y + 4 * at)
            a = a + e
        b, last = added(a), largest(top)
        for at in range(whole, n, width):
            v = load_some(x + 4 * at, n - at, vector(floor))
            last = imax(last, shifted(v))
            e = exponential(v, vector_int(reference), vector(one))
            store_some(e, y + 4 * at, n - at)
            b = b + e
        return add_up(b), (highest_int_of(last) - zero_bits) >> grid_bits

    @isa.inline
    def keep(x, y, n):  # type: ignore[no-untyped-def]
        found, sound_so_far = 0.0, True
        reference = exponent(peak(x, min(n, strip_size)))
        at, count = 0, before(y, n)
        while at < n and sound_so_far:
            if count == 0:
                count = min(n - at, strip_size)
            part, top = keep_strip(x + 4 * at, y + 4 * at, count, reference)
            found = found + part
            sound_so_far = sound(found, top) and top <= reference + scaled.SPAN
            at, count = at + count, 0
        return found, sound_so_far

    @isa.inline
    def keep_below(x, y, n, top):  # type: ignore[no-untyped-def]
        found, one = 0.0, np.float32(1)
        at, count = 0, before(y, n)
        while at < n:
            if count == 0:
                count = min(n - at, strip_size)
            a, whole = splat(np.float32(0)), at + count - count % wide
            for i in range(at, whole, wide):
                e = below(load(x + 4 * i), splat(top), splat(one))
                put(e, y + 4 * i)
                a = a + e
            b = added(a)
            for i in range(whole, at + count, width):
                e = below(load_some(x + 4 * i, at + count - i, vector(lowest)), vector(top), vector(one))
                store_some(e, y + 4 * i, at + count - i)
                b = b + e
            found = found + add_up(b)
            at, count = at + count, 0
        done()
        return found

    return Writes(write, write_below, keep, keep_below, scale, subtract)
