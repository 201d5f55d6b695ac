"""The arena: activations that are never alive together share memory."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ..program.view import Storage

ALIGNMENT = 64
SLACK = 128
"""Bytes after every storage: kernels may read, never write, so far past the end of a row."""
TRIES = 40
"""How many orders of placing are tried at most, where none reaches the lower bound."""
WORK = 4_000_000
"""Pairs of storages that all tries together may look at: about half a second."""


def lay_out(storages: Iterable[Storage]) -> int:
    """Gives every storage its offset and returns the arena's size in bytes.

    One storage after the other goes into the smallest gap between the placed ones that are alive with it (Pisarchyk &
    Lee, "Efficient Memory Management for Deep Neural Net Inference", 2020). Tried are the orders by size, by size
    times lifetime, and by breadth (the busiest step's storages first); then the best of them with what came to lie on
    top placed first, again and again. The smallest arena is taken.
    """
    items = list(storages)
    bound, tries = lower_bound(items), min(TRIES, max(1, WORK // max(1, len(items) ** 2)))
    best, best_offsets, start = 1 << 62, [0] * len(items), list[int]()
    for arrange in ORDERS[:tries]:
        order = arrange(items)
        total, offsets = _place(items, order)
        if total < best:
            best, best_offsets, start = total, offsets, order
        if best == bound:
            break
    total, offsets, order = best, best_offsets, list(start)
    for _ in range(tries - len(ORDERS)):
        if best == bound:
            break
        top = next(i for i in order if offsets[i] + padded(items[i].size) == total)
        order.remove(top)
        order.insert(0, top)
        total, offsets = _place(items, order)
        if total < best:
            best, best_offsets = total, offsets
    for item, offset in zip(items, best_offsets, strict=True):
        item.offset = offset
    return best if items else 0


def _place(items: list[Storage], order: list[int]) -> tuple[int, list[int]]:
    """The arena's size and every item's offset, when they are placed in this order."""
    placed: list[tuple[int, int, int, int]] = []
    offsets = [0] * len(items)
    total = 0
    for index in order:
        item = items[index]
        size, first, last = padded(item.size), item.first, item.last
        overlapping = sorted((start, end) for start, end, born, dead in placed if born <= last and first <= dead)
        best, best_gap, at = -1, 1 << 62, 0
        for start, end in overlapping:
            gap = start - at
            if size <= gap < best_gap:
                best, best_gap = at, gap
            at = max(at, end)
        offset = best if best >= 0 else at
        offsets[index] = offset
        placed.append((offset, offset + size, first, last))
        total = max(total, offset + size)
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
