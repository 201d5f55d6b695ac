"""What a softmax of float32 rows writes, as helpers for kernels to inline.

Addresses are of float32 elements; nothing beyond a row's n elements is read or written.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from . import scaled_exponential as scaled
from .softmax_sums import FEW_REGISTERS, STRIP_VECTORS, sums, unaligned

if TYPE_CHECKING:
    from ..compiler.isa import Isa


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


def writes(isa: Isa, streaming: bool) -> Writes:
    """streaming: results are written past the caches."""
    from ..compiler.horizontal import load_first, reduce, store_first
    from ..compiler.isa import bits, fence, imax, stream
    from ..compiler.traced import maximum

    width, bytes_ = isa.lanes, 4 * isa.lanes
    load, splat, splat_int = isa.load("f32"), isa.splat("f32"), isa.splat("i32")
    lowest, floor = np.float32(-np.inf), np.float32(scaled.FLOOR)
    rounded, larger = isa.function(scaled.shifted), isa.function(lambda x, y: maximum(x, y), 2)
    shifted = isa.inline(lambda x: bits(rounded(x)))
    strip_size, before = STRIP_VECTORS * width, unaligned(isa, streaming)
    add_up, highest_int_of, exponential = reduce("add"), reduce("max"), isa.function(scaled.scaled, 3)
    put, done = (stream, fence(isa.target)) if streaming else (isa.store(), isa.inline(lambda: None))
    paired = isa.target.vector_registers > FEW_REGISTERS
    pair = 2 * width if paired else width
    or_zero, span = isa.function(scaled.scaled_or_zero, 3), scaled.SPAN
    zero_bits, grid_bits = scaled.zero_bits(isa.target)
    summed = sums(isa)
    peak, exponent, sound = summed.peak, summed.exponent, summed.sound

    def each(step: Any) -> Any:
        """each(x, y, n, a, b): y = step(x, a, b), of two vectors."""
        step = isa.inline(step)

        def loop(x, y, n, a, b):  # type: ignore[no-untyped-def]
            head, filler = before(y, n), splat(floor)
            if head > 0:
                store_first(step(load_first(x, head, filler), a, b), y, head)
            whole = n - (n - head) % width
            for at in range(head, whole, width):
                put(step(load(x + 4 * at), a, b), y + 4 * at)
            if whole < n:
                last = step(load_first(x + 4 * whole, n - whole, filler), a, b)
                store_first(last, y + 4 * whole, n - whole)
            done()

        return isa.inline(loop)

    exponentials = each(lambda x, bias, factors: or_zero(x, bias, factors))
    exponentials_below = each(
        lambda x, tops, factors: exponential(larger(x - tops, splat(floor)), splat_int(0), factors)
    )
    products = each(lambda x, factors, _: x * factors)
    differences = each(lambda x, highs, lows: x - highs - lows)

    @isa.inline
    def write(x, y, n, reference, factor):  # type: ignore[no-untyped-def]
        exponentials(x, y, n, splat_int(reference), splat(np.float32(factor)))

    @isa.inline
    def write_below(x, y, n, top, factor):  # type: ignore[no-untyped-def]
        # The exponential wants a normal factor; NaN comes through its argument.
        if factor != factor:
            top = np.float32(factor)
        exponentials_below(x, y, n, splat(top), splat(np.float32(factor)))

    @isa.inline
    def scale(y, n, factor):  # type: ignore[no-untyped-def]
        factors = splat(np.float32(factor))
        products(y, y, n, factors, factors)

    @isa.inline
    def subtract(x, y, n, high, low):  # type: ignore[no-untyped-def]
        differences(x, y, n, splat(np.float32(high)), splat(np.float32(low)))

    @isa.inline
    def keep_strip(x, y, n, reference):  # type: ignore[no-untyped-def]
        one, references = splat(np.float32(1)), splat_int(reference)
        a, top = splat(np.float32(0)), splat_int(0)
        b = a
        whole = n - n % pair
        for at in range(0, whole, pair):
            v = load(x + 4 * at)
            top = imax(top, shifted(v))
            e = exponential(v, references, one)
            put(e, y + 4 * at)
            a = a + e
            if paired:
                v = load(x + 4 * at + bytes_)
                top = imax(top, shifted(v))
                e = exponential(v, references, one)
                put(e, y + 4 * at + bytes_)
                b = b + e
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
        at, count = 0, before(y, n)
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
        head = before(y, n)
        if head > 0:
            e = exponential(larger(load_first(x, head, splat(lowest)) - tops, least), bias, one)
            store_first(e, y, head)
            found = found + add_up(e)
        whole = n - (n - head) % width
        for first in range(head, whole, strip_size):
            a = splat(np.float32(0))
            b = a
            last = min(whole, first + strip_size)
            even = last - (last - first) % pair
            for at in range(first, even, pair):
                e = exponential(larger(load(x + 4 * at) - tops, least), bias, one)
                put(e, y + 4 * at)
                a = a + e
                if paired:
                    e = exponential(larger(load(x + 4 * at + bytes_) - tops, least), bias, one)
                    put(e, y + 4 * at + bytes_)
                    b = b + e
            if even < last:
                e = exponential(larger(load(x + 4 * even) - tops, least), bias, one)
                put(e, y + 4 * even)
                a = a + e
            found = found + add_up(a + b)
        if whole < n:
            e = exponential(larger(load_first(x + 4 * whole, n - whole, splat(lowest)) - tops, least), bias, one)
            store_first(e, y + 4 * whole, n - whole)
            found = found + add_up(e)
        done()
        return found

    return Writes(write, write_below, keep, keep_below, scale, subtract)
