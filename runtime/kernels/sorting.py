"""Sorting int64 numbers, the largest first, and what belongs to each: runs by counting, which are merged."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ..simd.isa import Isa

RUN = 16
"""Numbers that are sorted by counting, for each, those that come before it."""
AROUND = 8 * RUN
"""Bytes of memory for these counts, and of what may be read of a run that is not whole."""


def sorter(isa: Isa, pairs: bool) -> Any:
    """sort(numbers, other, counts, apart, held, count, kept) -> where the sorted ones begin, `numbers` or `other`.

    The first `held` of the `count` numbers are sorted already. Of all, the first `kept`, which are held or more, are
    sorted then, and all where none was held; equal ones in their order. pairs: what belongs to a number lies `apart`
    bytes behind it and goes where it goes. counts: memory of AROUND bytes.
    """
    load, store, move_row = isa.scalar_load("i64"), isa.scalar_store("i64"), isa.move_row()
    load_run, store_run, splat = isa.load("i64", RUN), isa.store(), isa.splat("i64", RUN)
    before, count_up = _before(isa, pairs), isa.function(lambda x: x.constant(range(RUN)))

    @isa.inline
    def put(source, to, apart):  # type: ignore[no-untyped-def]
        store(load(source), to)
        if pairs:
            store(load(source + apart), to + apart)

    @isa.inline
    def put_row(source, to, apart, size):  # type: ignore[no-untyped-def]
        move_row(source, to, size)
        if pairs:
            move_row(source + apart, to + apart, size)

    @isa.inline
    def order_run(source, to, counts, apart, size):  # type: ignore[no-untyped-def]
        numbers, found = load_run(source), splat(0)
        lanes = count_up(found)
        for at in range(size):
            found = before(found, numbers, splat(load(source + 8 * at)), lanes - splat(at))
        store_run(found, counts)
        for at in range(size):
            put(source + 8 * at, to + 8 * load(counts + 8 * at), apart)

    @isa.inline
    def merge(a, a_end, b, b_end, to, to_end, apart):  # type: ignore[no-untyped-def]
        while a < a_end and b < b_end and to < to_end:
            first = load(a) >= load(b)
            put(a if first else b, to, apart)
            step = 8 if first else 0
            a, b, to = a + step, b + 8 - step, to + 8
        rest, end = (a, a_end) if a < a_end else (b, b_end)
        put_row(rest, to, apart, min(end - rest, to_end - to))

    @isa.inline
    def sort(numbers, other, counts, apart, held, count, kept):  # type: ignore[no-untyped-def]
        for at in range(held, count, RUN):
            order_run(numbers + 8 * at, other + 8 * at, counts, apart, min(RUN, count - at))
        source, free, width = other, numbers, RUN
        while width < count - held:
            for at in range(held, count, 2 * width):
                middle, end = 8 * min(at + width, count), 8 * min(at + 2 * width, count)
                merge(source + 8 * at, source + middle, source + middle, source + end, free + 8 * at, free + end, apart)
            source, free, width = free, source, 2 * width
        if held > 0:
            # What is read at `other` lies behind what is written there, always.
            merge(numbers, numbers + 8 * held, source + 8 * held, source + 8 * count, other, other + 8 * kept, apart)
            source = other
        return source

    return sort


def _before(isa: Isa, pairs: bool) -> Any:
    """before(counts, numbers, one, lanes) -> counts, one more where the number `one` comes before. lanes: how far each
    lies behind it, where numbers may be equal, as they may of pairs."""
    from ..simd.traced import Traced, where

    def count(counts: Traced, numbers: Traced, one: Traced) -> Traced:
        return where(numbers.compare("<", one), counts + 1, counts)

    def count_equal(counts: Traced, numbers: Traced, one: Traced, lanes: Traced) -> Traced:
        least = where(lanes.compare(">", 0), counts + 1, counts)
        return where(numbers.compare("==", one), least, count(counts, numbers, one))

    first, any_ = isa.function(count, 3), isa.function(count_equal, 4)

    @isa.inline
    def before(counts, numbers, one, lanes):  # type: ignore[no-untyped-def]
        return any_(counts, numbers, one, lanes) if pairs else first(counts, numbers, one)

    return before
