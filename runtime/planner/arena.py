"""The arena: activations that are never alive together share memory."""

from __future__ import annotations

from collections.abc import Iterable

from .view import Storage

ALIGNMENT = 64
SLACK = 128
"""Bytes after every storage: kernels may read, never write, so far past the end of a row."""


def lay_out(storages: Iterable[Storage]) -> int:
    """Gives every storage its offset and returns the arena's size in bytes.

    Greedy by size (Pisarchyk & Lee, "Efficient Memory Management for Deep Neural Net Inference", 2020): the largest
    first, each into the smallest gap between the placed storages that are alive with it.
    """
    placed: list[Storage] = []
    total = 0
    for storage in sorted(storages, key=lambda s: (-s.size, s.first)):
        size = padded(storage.size)
        overlapping = sorted(
            (s for s in placed if s.first <= storage.last and storage.first <= s.last), key=lambda s: s.offset
        )
        best, best_gap, at = -1, 1 << 62, 0
        for other in overlapping:
            gap = other.offset - at
            if size <= gap < best_gap:
                best, best_gap = at, gap
            at = max(at, other.offset + padded(other.size))
        storage.offset = best if best >= 0 else at
        total = max(total, storage.offset + size)
        placed.append(storage)
    return total


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
