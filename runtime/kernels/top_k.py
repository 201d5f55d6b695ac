"""The largest or smallest elements of rows, and where they are: TopK."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from ..compiler.abi import Int, Ptr
from .order import BYTES, INTEGER, key_of, one_key
from .sorting import AROUND, sorter

if TYPE_CHECKING:
    from ..simd.isa import Isa

WIDE = {"f64", "i64"}
"""Elements whose keys have 64 bits. Of others key and index share 64 bits, so that entries are compared at once."""
REGISTERS = 2
"""Of keys that are compared at once."""
OVER = 64
"""Entries that may be collected at once where there is room for one."""
INDICES = 0xFFFFFFFF


class _Keys(NamedTuple):
    """many(address) -> keys of `lanes` elements. one(address) -> key of one. splat(key) -> a vector of it."""

    many: Any
    one: Any
    splat: Any
    lanes: int


def _keys(isa: Isa, element: str, smallest: bool) -> _Keys:
    from ..simd.isa import narrow_load

    kind = INTEGER.get(element, element)
    lanes = REGISTERS * isa.target.vector_bytes // BYTES[kind]

    several = narrow_load(element, lanes) if BYTES[element] == 1 else isa.load(kind, lanes)
    key = isa.function(lambda x: key_of(x, element, smallest, nan_first=not smallest))
    many = isa.inline(lambda address: key(several(address)))
    return _Keys(many, one_key(isa, element, smallest, nan_first=not smallest), isa.splat(kind, lanes), lanes)


def top_k(isa: Isa, element: str, smallest: bool) -> Callable[..., None]:
    """A chunk is one row of x: n dense elements. y and places: of each `inner` rows together, (k, inner) elements and
    int64 indices. k <= room <= n, and k < room where room < n.

    memory: sorting.AROUND bytes, and two places of `room` + OVER entries, each of which is 8 bytes, or 8 and 8 more
    that lie `apart` bytes behind; so twice as many then. The first `room` elements are sorted. Of the others those that
    are better than the kth best so far are collected behind the best k, until there are `room` again.
    """
    from ..simd.horizontal import above, trailing_zeros

    many, one, splat, lanes = _keys(isa, element, smallest)
    size, pairs = BYTES[element], element in WIDE
    sort, move = sorter(isa, pairs), isa.move(size)
    load8, store8 = isa.scalar_load("i64"), isa.scalar_store("i64")

    @isa.inline
    def enter(key, index, to, apart):  # type: ignore[no-untyped-def]
        if pairs:
            store8(key, to)
            store8(index, to + apart)
        else:
            store8((key << 32) | (INDICES - index), to)

    @isa.inline
    def key_at(entry):  # type: ignore[no-untyped-def]
        return load8(entry) if pairs else load8(entry) >> 32

    @isa.inline
    def index_at(entry, apart):  # type: ignore[no-untyped-def]
        return load8(entry + apart) if pairs else INDICES - (load8(entry) & INDICES)

    @isa.inline
    def best(source, memory, apart, n, k, room):  # type: ignore[no-untyped-def]
        entries = memory + AROUND
        both = entries + entries + 8 * (room + OVER)
        for at in range(room):
            enter(one(source + at * size), at, entries + 8 * at, apart)
        at, held, count = room, 0, room
        while count > held:
            entries = sort(entries, both - entries, memory, apart, held, count, k)
            held, count, bound = k, k, splat(key_at(entries + 8 * k - 8))
            while at < n and count < room:
                found = above(many(source + at * size), bound)
                if n - at < lanes:
                    found = found & ((1 << (n - at)) - 1)
                while found != 0:
                    index = at + trailing_zeros(found)
                    found = found & (found - 1)
                    enter(one(source + index * size), index, entries + 8 * count, apart)
                    count += 1
                at += lanes
        return entries

    def kernel(
        start: Int, stop: Int, x: Ptr, y: Ptr, places: Ptr, memory: Ptr, apart: Int, n: Int, k: Int, room: Int,
        inner: Int,
    ) -> None:  # fmt: skip
        for row in range(start, stop):
            source = x + row * n * size
            entry = best(source, memory, apart, n, k, room)
            to = row // inner * k * inner + row % inner
            for _ in range(k):
                index = index_at(entry, apart)
                move(source + index * size, y + to * size)
                store8(index, places + to * 8)
                entry, to = entry + 8, to + inner

    return kernel
