"""Softmax of rows, on float32 and on quantized int8."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..compiler.abi import Float, Int, Ptr

if TYPE_CHECKING:
    from ..compiler.isa import Isa
    from ..compiler.traced import Traced


def softmax_int8(isa: Isa) -> Callable[..., None]:
    """Softmax of int8 rows of n elements, as ops/integer.softmax computes it. A chunk is one row.

    x, y: rows one after the other, flipped on x86 (and so are zero_point, low and high). table: float32 exponentials
    by distance from the maximum. memory: 4 * n bytes, and a vector more, private to the thread. scale: of the output.
    """
    from ..compiler.horizontal import keep, reduce, store_first
    from ..compiler.isa import floor, imax, imin, to_int, trunc8, umax

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


def softmax_f32(isa: Isa, log: bool) -> Callable[..., None]:
    """Softmax, or its logarithm, of float32 rows of n elements, one after the other. A chunk is one row."""
    from ..compiler.horizontal import keep, reduce, store_first
    from .reduce import reducer

    width = isa.lanes
    exp, ln = _functions(isa)
    highest, across = reducer(isa, "max"), reduce("add")
    load, splat, store = isa.load("f32"), isa.splat("f32"), isa.store()

    def kernel(start: Int, stop: Int, x: Ptr, y: Ptr, n: Int) -> None:
        whole = n - n % width
        rest = n - whole
        for row in range(start, stop):
            source, target = x + row * n * 4, y + row * n * 4
            none = splat(0.0)
            peak = splat(highest(source, n, none))
            total = none
            for at in range(0, whole, width):
                e = exp(load(source + 4 * at) - peak)
                total = total + e
                if not log:
                    store(e, target + 4 * at)
            if rest > 0:
                e = keep(exp(load(source + 4 * whole) - peak), rest, none)
                total = total + e
                if not log:
                    store_first(e, target + 4 * whole, rest)
            if log:
                shift = ln(splat(across(total)))
                for at in range(0, whole, width):
                    store(load(source + 4 * at) - peak - shift, target + 4 * at)
                if rest > 0:
                    store_first(load(source + 4 * whole) - peak - shift, target + 4 * whole, rest)
            else:
                factor = splat(1.0) / splat(across(total))
                for at in range(0, whole, width):
                    store(load(target + 4 * at) * factor, target + 4 * at)
                if rest > 0:
                    store_first(load(target + 4 * whole) * factor, target + 4 * whole, rest)

    return kernel


def softmax_groups_f32(isa: Isa, n: int, log: bool) -> Callable[..., None]:
    """Softmax, or its logarithm, of rows so short that a vector holds several: n is a power of two, at most a vector.

    size: elements in all. A chunk is `part` elements, a multiple of a vector.
    """
    from ..compiler.horizontal import groups, store_first

    width = isa.lanes
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
        for at in range(start * part, min(stop * part, size), width):
            place = 4 * max(min(at, size - width), 0)
            if size >= width:
                store(compute(load(x + place)), y + place)
            else:
                store_first(compute(load(x + place)), y + place, size)

    return kernel


def _functions(isa: Isa) -> tuple[Any, Any]:
    """exp for what is not above 0, and log."""
    from . import transcendental as t

    def exp(x: Traced) -> Traced:
        near, power = t.exponential(x)
        return near * power

    return isa.function(exp), isa.function(t.log)
