"""Softmax of rows, on float32 and on quantized int8."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from ..compiler.abi import Float, Int, Ptr, roll

if TYPE_CHECKING:
    from ..simd.isa import Isa
    from ..simd.traced import Traced

LN2 = 0.6931471805599453


def softmax_int8(isa: Isa) -> Callable[..., None]:
    """Softmax of int8 rows of n elements, as ops/integer.softmax computes it. A chunk is one row.

    x, y: rows one after the other, flipped on x86 (and so are zero_point, low and high). table: float32 exponentials
    by distance from the maximum. memory: 4 * n bytes, and a vector more, private to the thread. scale: of the output.
    """
    from ..simd.horizontal import keep, reduce, store_first
    from ..simd.isa import floor, imax, imin, to_int, trunc8, umax

    unsigned = isa.target.family == "x86"
    largest, across, least = (umax, reduce("umax"), 0) if unsigned else (imax, reduce("max"), -128)
    mask = 255 if unsigned else -1
    bytes_, width = isa.target.vector_bytes, isa.lanes
    load, load_float, splat_byte = isa.load("i8"), isa.load("f32"), isa.splat("i8")
    splat, splat_int, store = isa.splat("f32"), isa.splat("i32"), isa.store()
    load1, load_f, store_f = isa.scalar_load("i8"), isa.scalar_load("f32"), isa.scalar_store("f32")
    none, half, one = np.float32(0), np.float32(0.5), np.float32(1)

    def kernel(
        start: Int, stop: Int, x: Ptr, y: Ptr, table: Ptr, memory: Ptr, n: Int, scale: Float, zero_point: Int,
        low: Int, high: Int,
    ) -> None:  # fmt: skip
        for row in range(start, stop):
            source, target = x + row * n, y + row * n
            lowest = splat_byte(least)
            peaks = lowest
            at = 0
            while at < n:
                peaks = largest(peaks, keep(load(source + at), n - at, lowest))
                at = at + bytes_
            peak = across(peaks)
            total = none
            for i in range(n):
                exponential = load_f(table + 4 * (peak - (load1(source + i) & mask)))
                store_f(exponential, memory + 4 * i)
                total = total + exponential
            inverse = splat(one) / (splat(total) * splat(scale))
            at = 0
            while at < n:
                steps = to_int(floor(load_float(memory + 4 * at) * inverse + splat(half))) + splat_int(zero_point)
                found = trunc8(imin(imax(steps, splat_int(low)), splat_int(high)))
                if n - at >= width:
                    store(found, target + at)
                else:
                    store_first(found, target + at, n - at)
                at = at + width

    return kernel


def softmax_f32(isa: Isa, algorithm: str, log: bool, streaming: bool, in_place: bool) -> Callable[..., None]:
    """Softmax, or its logarithm, of float32 rows of n elements, one after the other. A chunk is one row.

    algorithm: "two-pass", "two-pass-reload", "three-pass-reload" or "three-pass-recompute". streaming: results bypass
    the caches. in_place: y may be x.
    """
    from .softmax_sums import sums
    from .softmax_writes import writes

    s, w = sums(isa), writes(isa, streaming)
    peak, sound, total, total_below = s.peak, s.sound, s.total, s.total_below
    keep, keep_below, write, write_below = w.keep, w.keep_below, w.write, w.write_below
    scale, subtract = w.scale, w.subtract
    logarithm = logarithm_of(isa)
    two_pass, reload = algorithm.startswith("two-pass"), algorithm.endswith("reload") and not log

    @isa.inline
    def kept(x, y, n):  # type: ignore[no-untyped-def]
        found, done = keep(x, y, n)
        if done:
            scale(y, n, 1 / found)
        return done

    @isa.inline
    def recomputed(x, y, n):  # type: ignore[no-untyped-def]
        found, reference, top = total(x, n)
        if not sound(found, top):
            return False
        if log:
            whole = reference * LN2 + logarithm(found)
            high = np.float32(whole)
            subtract(x, y, n, high, whole - high)
        else:
            write(x, y, n, reference, 1 / found)
        return True

    @isa.inline
    def kept_where_apart(x, y, n):  # type: ignore[no-untyped-def]
        # In place, what is written could not be read again where the pairs do not serve.
        if x != y:
            return kept(x, y, n)
        return recomputed(x, y, n)

    @isa.inline
    def in_three(x, y, n):  # type: ignore[no-untyped-def]
        top = peak(x, n)
        if reload:
            scale(y, n, 1 / keep_below(x, y, n, top))
        elif log:
            subtract(x, y, n, top, logarithm(total_below(x, n, top)))
        else:
            write_below(x, y, n, top, 1 / total_below(x, n, top))

    in_two = recomputed if not reload else kept_where_apart if in_place else kept

    @roll
    def kernel(start: Int, stop: Int, x: Ptr, y: Ptr, n: Int) -> None:
        for row in range(start, stop):
            source, target = x + row * n * 4, y + row * n * 4
            if two_pass:
                if not in_two(source, target, n):
                    in_three(source, target, n)
            else:
                in_three(source, target, n)

    return kernel


@cache
def logarithm_of(isa: Isa) -> Any:
    """logarithm(float64) -> float64, with the accuracy of float32."""
    from ..simd.horizontal import reduce
    from . import transcendental as t

    splat, ln, one_of = isa.splat("f32"), isa.function(t.log), reduce("max")
    return isa.inline(lambda x: float(one_of(ln(splat(np.float32(x))))))


def softmax_groups_f32(isa: Isa, n: int, log: bool) -> Callable[..., None]:
    """Softmax, or its logarithm, of rows so short that a vector holds several: n is a power of two, at most a vector.

    size: elements in all. A chunk is `part` elements, a multiple of a vector.
    """
    from ..simd.horizontal import groups, load_first, store_first

    width = isa.lanes
    splat = isa.splat("f32")
    exp, ln = _functions(isa)
    highest, total = groups("max", n), groups("sum", n)
    load, store = isa.load("f32"), isa.store()

    @isa.inline
    def compute(v):  # type: ignore[no-untyped-def]
        v = v - highest(v)
        e = exp(v)
        if log:
            return v - ln(total(e))
        return e / total(e)

    def kernel(start: Int, stop: Int, x: Ptr, y: Ptr, size: Int, part: Int) -> None:
        zero = splat(0.0)
        for at in range(start * part, min(stop * part, size), width):
            place = 4 * max(min(at, size - width), 0)
            if size >= width:
                store(compute(load(x + place)), y + place)
            else:
                store_first(compute(load_first(x + place, size, zero)), y + place, size)

    return kernel


def _functions(isa: Isa) -> tuple[Any, Any]:
    """exp for what is not above 0, and log."""
    from . import transcendental as t

    def exp(x: Traced) -> Traced:
        near, power = t.exponential(x)
        return near * power

    return isa.function(exp), isa.function(t.log)
