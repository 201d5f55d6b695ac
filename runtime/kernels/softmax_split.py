"""Softmax of rows that several threads share: kernels/softmax_sums.py and softmax_writes.py on parts of a row.

A chunk is one part of one row; `parts` of `part` elements make a row of n. Every part has a record, and every row one,
which `join` makes of its parts'. Records are RECORD bytes: a float64 sum, an int64, two float32 or int32.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from ..compiler.abi import Int, Ptr, roll
from .softmax_sums import sums
from .softmax_writes import writes

if TYPE_CHECKING:
    from ..simd.isa import Isa

RECORD = 32
SUM, NUMBER, FIRST, SECOND = 0, 8, 16, 20
TWO_PASS, BELOW = 0, 1
"""How a row is written: what its record holds, as an int64, where parts' records hold their sums."""


def peaks(isa: Isa) -> Callable[..., None]:
    """The largest element of each part."""
    peak, store = sums(isa).peak, isa.scalar_store("f32")

    def kernel(start: Int, stop: Int, x: Ptr, records: Ptr, n: Int, part: Int, parts: Int) -> None:
        for chunk in range(start, stop):
            row = chunk // parts
            first = (chunk - row * parts) * part
            store(peak(x + 4 * (row * n + first), min(part, n - first)), records + chunk * RECORD + FIRST)

    return kernel


def totals(isa: Isa) -> Callable[..., None]:
    """The sum of the exponentials of each part, with its reference and its highest exponent."""
    total = sums(isa).total
    store, store_sum, store_number = isa.scalar_store("i32"), isa.scalar_store("f64"), isa.scalar_store("i64")

    @roll
    def kernel(start: Int, stop: Int, x: Ptr, records: Ptr, n: Int, part: Int, parts: Int) -> None:
        for chunk in range(start, stop):
            row = chunk // parts
            first = (chunk - row * parts) * part
            found, reference, top = total(x + 4 * (row * n + first), min(part, n - first))
            record = records + chunk * RECORD
            store_sum(found, record + SUM)
            store_number(reference, record + NUMBER)
            store(top, record + FIRST)

    return kernel


def totals_below(isa: Isa, keep: bool, streaming: bool) -> Callable[..., None]:
    """The sum of e^(x - peak) of each part, the peak being in the row's record. keep: and y = e^(x - peak)."""
    total_below, keep_below = sums(isa).total_below, writes(isa, streaming).keep_below
    load, store_sum = isa.scalar_load("f32"), isa.scalar_store("f64")

    @roll
    def kernel(
        start: Int, stop: Int, x: Ptr, y: Ptr, records: Ptr, rows: Ptr, n: Int, part: Int, parts: Int,
    ) -> None:  # fmt: skip
        for chunk in range(start, stop):
            row = chunk // parts
            first = (chunk - row * parts) * part
            at, count = 4 * (row * n + first), min(part, n - first)
            top = load(rows + row * RECORD + FIRST)
            if keep:
                found = keep_below(x + at, y + at, count, top)
            else:
                found = total_below(x + at, count, top)
            store_sum(found, records + chunk * RECORD + SUM)

    return kernel


def join_peaks(isa: Isa) -> Callable[..., None]:
    """Rows' records: the largest element. A chunk is one row."""
    load, store = isa.scalar_load("f32"), isa.scalar_store("f32")

    def kernel(start: Int, stop: Int, records: Ptr, rows: Ptr, parts: Int) -> None:
        for row in range(start, stop):
            top = np.float32(-np.inf)
            for i in range(parts):
                found = load(records + (row * parts + i) * RECORD + FIRST)
                if not found <= top:
                    top = found
            store(top, rows + row * RECORD + FIRST)

    return kernel


def join_below(isa: Isa) -> Callable[..., None]:
    """Rows' records: one over the sum, behind the peak. A chunk is one row."""
    load, store, store_number = isa.scalar_load("f64"), isa.scalar_store("f32"), isa.scalar_store("i64")

    def kernel(start: Int, stop: Int, records: Ptr, rows: Ptr, parts: Int) -> None:
        for row in range(start, stop):
            found = 0.0
            for i in range(parts):
                found = found + load(records + (row * parts + i) * RECORD + SUM)
            record = rows + row * RECORD
            store(np.float32(1 / found), record + SECOND)
            store_number(BELOW, record + SUM)

    return kernel


def join_totals(isa: Isa) -> Callable[..., None]:
    """Rows' records: the common reference and one over the sum; a row on which the pairs do not serve is summed up
    again, below its largest element. A chunk is one row."""
    from ..simd.horizontal import reduce
    from ..simd.isa import from_bits

    p = sums(isa)
    peak, sound, total_below = p.peak, p.sound, p.total_below
    load_highest, load_sum, load_number = isa.scalar_load("i32"), isa.scalar_load("f64"), isa.scalar_load("i64")
    store, store_number = isa.scalar_store("f32"), isa.scalar_store("i64")
    splat_int, one_of = isa.splat("i32"), reduce("max")

    @roll
    def kernel(start: Int, stop: Int, x: Ptr, records: Ptr, rows: Ptr, n: Int, parts: Int) -> None:
        for row in range(start, stop):
            found, reference, top = 0.0, -(1 << 30), -(1 << 30)
            for i in range(parts):
                record = records + (row * parts + i) * RECORD
                theirs = load_number(record + NUMBER)
                least, most = min(reference, theirs), max(reference, theirs)
                factor = one_of(from_bits(splat_int(max(least - most + 127, 0) << 23)))
                if theirs < reference:
                    found = found + load_sum(record + SUM) * factor
                else:
                    found = found * factor + load_sum(record + SUM)
                reference = most
                top = max(top, load_highest(record + FIRST))
            record = rows + row * RECORD
            if sound(found, top):
                store_number(TWO_PASS, record + SUM)
                store_number(reference, record + NUMBER)
                store(np.float32(1 / found), record + SECOND)
            else:
                highest = peak(x + 4 * row * n, n)
                store_number(BELOW, record + SUM)
                store(highest, record + FIRST)
                store(np.float32(1 / total_below(x + 4 * row * n, n, highest)), record + SECOND)

    return kernel


def write(isa: Isa, streaming: bool) -> Callable[..., None]:
    """y, of parts, as the rows' records say."""
    p = writes(isa, streaming)
    write_pairs, write_below = p.write, p.write_below
    load, load_number = isa.scalar_load("f32"), isa.scalar_load("i64")

    def kernel(start: Int, stop: Int, x: Ptr, y: Ptr, rows: Ptr, n: Int, part: Int, parts: Int) -> None:
        for chunk in range(start, stop):
            row = chunk // parts
            first = (chunk - row * parts) * part
            at, count = 4 * (row * n + first), min(part, n - first)
            record = rows + row * RECORD
            factor = load(record + SECOND)
            if load_number(record + SUM) == TWO_PASS:
                write_pairs(x + at, y + at, count, load_number(record + NUMBER), factor)
            else:
                write_below(x + at, y + at, count, load(record + FIRST), factor)

    return kernel


def scale(isa: Isa, streaming: bool) -> Callable[..., None]:
    """y times what the rows' records say, of parts."""
    scale_part, load = writes(isa, streaming).scale, isa.scalar_load("f32")

    def kernel(start: Int, stop: Int, y: Ptr, rows: Ptr, n: Int, part: Int, parts: Int) -> None:
        for chunk in range(start, stop):
            row = chunk // parts
            first = (chunk - row * parts) * part
            scale_part(y + 4 * (row * n + first), min(part, n - first), load(rows + row * RECORD + SECOND))

    return kernel
