"""What the first pass of a two-pass softmax knows about a row: logsumexp, entropy and the largest elements."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from ..compiler.abi import Int, Ptr, roll
from .softmax import LN2, logarithm_of
from .softmax_sums import STRIP_VECTORS, sums

if TYPE_CHECKING:
    from ..simd.isa import Isa
    from ..simd.traced import Traced

HEAD, ITEM = 16, 8
"""Bytes of a row's record before its largest elements, and of each of those: logsumexp, entropy (float32), whether both
are valid (int32), 4 unused; then the values (float32) of the largest, largest first, then their indices (int32)."""
BLOCK = 8
"""Vectors among which the largest is looked for before their elements are looked at."""


def statistics(isa: Isa) -> Callable[..., None]:
    """Records of rows of n float32, with the k largest elements of each, k <= n; of equal ones the first. A chunk is
    one row. A row with NaN, infinities other than -infinity, or numbers beyond LIMIT is marked, not computed."""
    from ..simd.horizontal import load_first, reduce
    from ..simd.isa import bits, from_bits, imax
    from ..simd.traced import fma, maximum
    from . import scaled_exponential as scaled

    p = sums(isa)
    peak, sound, exponent = p.peak, p.sound, p.exponent
    logarithm = logarithm_of(isa)
    width, strip_size = isa.lanes, STRIP_VECTORS * isa.lanes
    load, splat, splat_int = isa.load("f32"), isa.splat("f32"), isa.splat("i32")
    load_one, store_one = isa.scalar_load("f32"), isa.scalar_store("f32")
    load_int, store_int = isa.scalar_load("i32"), isa.scalar_store("i32")
    add_up, highest_of, highest_int_of = reduce("add"), reduce("max"), reduce("max")
    floor, lowest = np.float32(scaled.FLOOR), np.float32(-np.inf)
    zero_bits, grid_bits = scaled.zero_bits(isa.target)

    def clamp(x: Traced, least: Traced) -> Traced:
        return maximum(x, least)

    add_product = isa.function(lambda total, x, y: fma(x, y, total), 3)
    larger, term, rounded = isa.function(clamp, 2), isa.function(scaled.term, 3), isa.function(scaled.shifted)

    @isa.inline
    def centre(reference):  # type: ignore[no-untyped-def]
        return float(np.float32(reference * LN2))

    # weighted: the sum of e^x * (x - centre), whose terms nearly cancel where all of x is far from 0.
    @isa.inline
    def strip(x, n, reference):  # type: ignore[no-untyped-def]
        none = splat(np.float32(0))
        total, weighted, top, references = none, none, splat_int(0), splat_int(reference)
        least, centres = splat(floor), splat(np.float32(reference * LN2))
        for at in range(0, n, width):
            if n - at >= width:
                v = larger(load(x + 4 * at), least)
            else:
                v = larger(load_first(x + 4 * at, n - at, least), least)
            e = term(none, v, references)
            top = imax(top, bits(rounded(v)))
            total, weighted = total + e, add_product(weighted, e, v - centres)
        return add_up(total), add_up(weighted), (highest_int_of(top) - zero_bits) >> grid_bits

    @isa.inline
    def insert(value, index, values, indices, k):  # type: ignore[no-untyped-def]
        i = k - 1
        while i > 0 and value > load_one(values + 4 * (i - 1)):
            store_one(load_one(values + 4 * (i - 1)), values + 4 * i)
            store_int(load_int(indices + 4 * (i - 1)), indices + 4 * i)
            i = i - 1
        store_one(value, values + 4 * i)
        store_int(index, indices + 4 * i)

    @isa.inline
    def rank(x, first, count, values, indices, k):  # type: ignore[no-untyped-def]
        last = values + 4 * (k - 1)
        for at in range(first, first + count, BLOCK * width):
            size = min(first + count - at, BLOCK * width)
            if peak(x + 4 * at, size) > load_one(last):
                for i in range(at, at + size):
                    value = load_one(x + 4 * i)
                    if value > load_one(last):
                        insert(value, i, values, indices, k)

    @roll
    def kernel(start: Int, stop: Int, x: Ptr, y: Ptr, n: Int, k: Int) -> None:
        for row in range(start, stop):
            source, record = x + row * n * 4, y + row * (HEAD + ITEM * k)
            values, indices = record + HEAD, record + HEAD + 4 * k
            for i in range(k):
                store_one(lowest, values + 4 * i)
                store_int(i, indices + 4 * i)
            total, weighted, highest = 0.0, 0.0, -(1 << 30)
            reference = exponent(peak(source, min(n, strip_size)))
            for at in range(0, n, strip_size):
                count = min(n - at, strip_size)
                part, moment, top = strip(source + 4 * at, count, reference)
                if top > reference + scaled.SPAN:
                    factor = highest_of(from_bits(splat_int(max(reference - top + 127, 0) << 23)))
                    weighted = (weighted - total * (centre(top) - centre(reference))) * factor
                    total = total * factor
                    reference = top
                    part, moment, top = strip(source + 4 * at, count, reference)
                highest = max(highest, top)
                total, weighted = total + part, weighted + moment
                if k > 0:
                    rank(source, at, count, values, indices, k)
            valid = sound(total, highest)
            store_int(1 if valid else 0, record + 8)
            if valid:
                logged = logarithm(total)
                store_one(np.float32(reference * LN2 + logged), record)
                beyond = reference * LN2 - centre(reference)
                store_one(np.float32(max(beyond + logged - weighted / total, 0.0)), record + 4)

    return kernel
