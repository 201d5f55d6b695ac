"""The arena: activations that are never alive together share memory."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable
from heapq import heappop, heappush
from random import Random

from ..program.bounds import ALIGNMENT, LEAST_ALIGNMENT
from ..program.overlap import NO_LEADS, Leads
from ..program.view import Storage
from .alive import Alive

TRIES, CLIMBS, WANDERS = 210, 40, 30
"""How many orders of placing are tried at most, where none reaches the lower bound; and from each that is begun with,
in either way."""
SWAPPED = 0.3
"""How often two others change places, too."""
WORK = 4_000_000
"""Pairs of storages that all tries together may look at (and one alone): about half a second."""


def lay_out(storages: Iterable[Storage], leads: Leads = NO_LEADS, tries: int = TRIES) -> int:
    """Gives every storage its offset and returns the arena's size in bytes. leads: of storages that may overlap
    although they are alive together. tries: at most.

    One storage after the other goes into the smallest gap between the placed ones that are alive with it (Pisarchyk &
    Lee, "Efficient Memory Management for Deep Neural Net Inference", 2020). Tried are the orders by size, by size
    times lifetime, and by breadth (the busiest step's storages first); each of them with what came to lie on top placed
    first, again and again; then each of them with that somewhere before where it was, as long as it gets no worse.
    Thousands of storages are also placed in the order of the steps, which takes n log n. The smallest arena is taken.
    """
    items = list(storages)
    if not items:
        return 0
    search = _Search(items, leads, min(tries, WORK // max(1, len(items) ** 2)))
    for look in (search.climb, search.wander):
        for arrange in ORDERS:
            if not search.over:  # an order alone takes long to find of thousands
                look(arrange(items))
    for item, offset in zip(items, search.offsets, strict=True):
        item.offset = offset
    return search.size


class _Search:
    """size, offsets: the best found so far."""

    def __init__(self, items: list[Storage], leads: Leads, tries: int) -> None:
        self.items, self.bound = items, lower_bound(items, leads)
        at = {id(item): index for index, item in enumerate(items)}
        self.leads = {(at[over], at[under]): lead for (over, under), lead in leads.items()}
        self.size, self.offsets = 1 << 62, [0] * len(items)
        self._left = tries
        if tries == 0:
            self.size, self.offsets = _sweep(items)
            self._left = 1  # the first order, which may take more than it is given

    @property
    def over(self) -> bool:
        return self._left <= 0 or self.size == self.bound

    def climb(self, order: list[int]) -> None:
        for _ in range(CLIMBS):
            found = self._try(order)
            if found is None:
                return
            top = self._top(order, found[1])
            order = [top, *(index for index in order if index != top)]

    def wander(self, order: list[int]) -> None:
        random, best = Random(0), self._try(order)
        for _ in range(WANDERS):
            if self.over or best is None:
                return
            other = list(order)
            at = other.index(self._top(order, best[1]))
            other.insert(random.randrange(at + 1), other.pop(at))
            if random.random() < SWAPPED:
                a, b = random.randrange(len(other)), random.randrange(len(other))
                other[a], other[b] = other[b], other[a]
            found = self._try(other)
            if found is not None and found[0] <= best[0]:
                order, best = other, found

    def _try(self, order: list[int]) -> tuple[int, list[int]] | None:
        """The size and the offsets in this order; None where that takes too long, or there are no tries left."""
        if self.over:
            return None
        self._left -= 1
        found = _place(self.items, self.leads, order)
        if found is None:
            self._left = 0
        elif found[0] < self.size:
            self.size, self.offsets = found
        return found

    def _top(self, order: list[int], offsets: list[int]) -> int:
        ends = {index: offsets[index] + padded(self.items[index].size) for index in order}
        most = max(ends.values())
        return next(index for index in order if ends[index] == most)


def _place(items: list[Storage], leads: Leads, order: list[int]) -> tuple[int, list[int]] | None:
    """The arena's size and every item's offset, when they are placed in this order; None where more pairs of items are
    alive together than WORK. leads: by index."""
    placed = Alive(items)
    offsets = [0] * len(items)
    total = looked_at = 0
    for index in order:
        size, alignment = padded(items[index].size), alignment_of(items[index].size)
        together = placed.together(index)
        looked_at += len(together)
        if looked_at > WORK:
            return None
        best, best_gap, at = -1, 1 << 62, 0
        for start, end in sorted(_taken(items, leads, offsets, index, other) for other in together):
            gap = start - at
            if size <= gap < best_gap:
                best, best_gap = at, gap
            at = max(at, -(-end // alignment) * alignment)
        offsets[index] = best if best >= 0 else at
        placed.add(index)
        total = max(total, offsets[index] + size)
    return total, offsets


def _taken(items: list[Storage], leads: Leads, offsets: list[int], index: int, other: int) -> tuple[int, int]:
    """The first byte that one item leaves to none that lies before it, and the first that it leaves to one behind it:
    other for the item at index."""
    start = offsets[other]
    end = start + padded(items[other].size)
    if not leads:
        return start, end
    if (lead := leads.get((index, other))) is not None:
        return min(end, max(start, start - lead + padded(items[index].size))), end
    if (lead := leads.get((other, index))) is not None:
        return start, min(end, max(start, start + lead))
    return start, end


def _sweep(items: list[Storage]) -> tuple[int, list[int]]:
    """As `_place`, in the order of the steps: an item gets the smallest free block that holds it, and gives it back
    after its last step. n log n."""
    offsets, total = [0] * len(items), 0
    alive: list[tuple[int, int]] = []
    by_size: list[tuple[int, int]] = []
    end_of, start_of = dict[int, int](), dict[int, int]()

    def take(start: int, end: int) -> None:
        by_size.pop(bisect_left(by_size, (end - start, start)))
        del end_of[start], start_of[end]

    def give(start: int, end: int) -> None:
        if start in start_of:
            start, middle = start_of[start], start
            take(start, middle)
        if end in end_of:
            middle, end = end, end_of[end]
            take(middle, end)
        insort(by_size, (end - start, start))
        end_of[start], start_of[end] = end, start

    for index in sorted(range(len(items)), key=lambda i: (items[i].first, -items[i].size)):
        size = -(-items[index].size // ALIGNMENT) * ALIGNMENT
        while alive and alive[0][0] < items[index].first:
            _, gone = heappop(alive)
            give(offsets[gone], offsets[gone] + -(-items[gone].size // ALIGNMENT) * ALIGNMENT)
        fitting = bisect_left(by_size, (size, -1))
        if fitting < len(by_size):
            start = by_size[fitting][1]
        else:
            start = start_of.get(total, total)
            give(total, start + size)
            total = start + size
        end = end_of[start]
        take(start, end)
        if start + size < end:
            give(start + size, end)
        offsets[index] = start
        heappush(alive, (items[index].last, index))
    return total, offsets


def _by_size(items: list[Storage]) -> list[int]:
    return sorted(range(len(items)), key=lambda i: (-items[i].size, items[i].first))


def _by_area(items: list[Storage]) -> list[int]:
    return sorted(range(len(items)), key=lambda i: -items[i].size * (items[i].last - items[i].first + 1))


def _by_breadth(items: list[Storage]) -> list[int]:
    """Steps from the busiest on, and of each the storages alive that are not placed yet, the largest first."""
    alive = {step: [i for i, s in enumerate(items) if s.first <= step <= s.last] for step in {s.first for s in items}}
    busiest = sorted(alive, key=lambda step: (-sum(items[i].size for i in alive[step]), step))
    order = (i for step in busiest for i in sorted(alive[step], key=lambda i: -items[i].size))
    return list(dict.fromkeys(order))


ORDERS: tuple[Callable[[list[Storage]], list[int]], ...] = (_by_size, _by_area, _by_breadth)


def lower_bound(storages: Iterable[Storage], leads: Leads = NO_LEADS) -> int:
    """Bytes alive at the busiest step: no layout can be smaller. leads: see lay_out."""
    changes: dict[int, int] = {}
    items = {id(storage): storage for storage in storages}
    for (over, under), lead in leads.items():
        written, read = padded(items[over].size), padded(items[under].size)
        saved = written + read - max(written, read + max(0, lead))
        if saved > 0:
            step = items[over].first
            changes[step] = changes.get(step, 0) - saved
            changes[step + 1] = changes.get(step + 1, 0) + saved
    for storage in items.values():
        changes[storage.first] = changes.get(storage.first, 0) + padded(storage.size)
        changes[storage.last + 1] = changes.get(storage.last + 1, 0) - padded(storage.size)
    alive = most = 0
    for step in sorted(changes):
        alive += changes[step]
        most = max(most, alive)
    return most


def padded(size: int) -> int:
    """Bytes of the arena that a storage takes. What kernels read behind it may be another's, or lies behind the arena:
    it counts for nothing."""
    return -(-size // LEAST_ALIGNMENT) * LEAST_ALIGNMENT


def alignment_of(size: int) -> int:
    return ALIGNMENT if size >= ALIGNMENT else LEAST_ALIGNMENT
