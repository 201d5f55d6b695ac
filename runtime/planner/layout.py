"""The arena: activations that are never alive together share memory."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable
from heapq import heappop, heappush

from ..program.bounds import ALIGNMENT, SLACK
from ..program.view import Storage
from .alive import Alive

TRIES = 40
"""How many orders of placing are tried at most, where none reaches the lower bound."""
WORK = 4_000_000
"""Pairs of storages that all tries together may look at (and one alone): about half a second."""


def lay_out(storages: Iterable[Storage]) -> int:
    """Gives every storage its offset and returns the arena's size in bytes.

    One storage after the other goes into the smallest gap between the placed ones that are alive with it (Pisarchyk &
    Lee, "Efficient Memory Management for Deep Neural Net Inference", 2020). Tried are the orders by size, by size
    times lifetime, and by breadth (the busiest step's storages first); then the best of them with what came to lie on
    top placed first, again and again. Thousands of storages are also placed in the order of the steps, which takes
    n log n. The smallest arena is taken.
    """
    items = list(storages)
    bound, tries = lower_bound(items), min(TRIES, WORK // max(1, len(items) ** 2))
    best, best_offsets, start = 1 << 62, [0] * len(items), list[int]()
    if tries == 0:
        best, best_offsets = _sweep(items)
    for arrange in ORDERS[: max(1, tries)]:
        if best == bound:
            break
        order = arrange(items)
        found = _place(items, order)
        if found is None:
            break
        total, offsets = found
        if total < best:
            best, best_offsets, start = total, offsets, order
    total, offsets, order = best, best_offsets, list(start)
    for _ in range(tries - len(ORDERS)):
        if best == bound:
            break
        top = next(i for i in order if offsets[i] + padded(items[i].size) == total)
        order.remove(top)
        order.insert(0, top)
        found = _place(items, order)
        if found is None:
            break
        total, offsets = found
        if total < best:
            best, best_offsets = total, offsets
    for item, offset in zip(items, best_offsets, strict=True):
        item.offset = offset
    return best if items else 0


def _place(items: list[Storage], order: list[int]) -> tuple[int, list[int]] | None:
    """The arena's size and every item's offset, when they are placed in this order; None where more pairs of items are
    alive together than WORK."""
    placed = Alive(items)
    offsets = [0] * len(items)
    total = looked_at = 0
    for index in order:
        size = padded(items[index].size)
        together = placed.together(index)
        looked_at += len(together)
        if looked_at > WORK:
            return None
        best, best_gap, at = -1, 1 << 62, 0
        for start, end in sorted((offsets[i], offsets[i] + padded(items[i].size)) for i in together):
            gap = start - at
            if size <= gap < best_gap:
                best, best_gap = at, gap
            at = max(at, end)
        offsets[index] = best if best >= 0 else at
        placed.add(index)
        total = max(total, offsets[index] + size)
    return total, offsets


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
        size = padded(items[index].size)
        while alive and alive[0][0] < items[index].first:
            _, gone = heappop(alive)
            give(offsets[gone], offsets[gone] + padded(items[gone].size))
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


def lower_bound(storages: Iterable[Storage]) -> int:
    """Bytes alive at the busiest step: no layout can be smaller."""
    changes: dict[int, int] = {}
    for storage in storages:
        changes[storage.first] = changes.get(storage.first, 0) + padded(storage.size)
        changes[storage.last + 1] = changes.get(storage.last + 1, 0) - padded(storage.size)
    alive = most = 0
    for step in sorted(changes):
        alive += changes[step]
        most = max(most, alive)
    return most


def padded(size: int) -> int:
    return -(-(size + SLACK) // ALIGNMENT) * ALIGNMENT
