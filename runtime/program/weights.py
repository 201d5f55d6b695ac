"""The block of packed constants that every program of a session, and every clone of it, reads."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from ..system.guard import PAGE, allow, forbid
from ..system.hashing import blake2b
from ..system.memory import zeros
from .apart import room
from .bounds import ALIGNMENT, SLACK

PACE = 4 << 20
"""Bytes packed between two calls of `packed`, or compared at once."""


class WeightsFull(Exception):
    """The constants of a program do not fit in the address space reserved; larger blocks can be had."""


class Weights:
    """Append-only, at a fixed address: memory is reserved at once, and the system provides pages as they are written.

    reserve: bytes of address space. packed: called now and then, when what was added so far need not be kept elsewhere.
    huge: whether so much will be added that huge pages are worth it. guard: each constant lies on pages of its own,
    between pages that nobody may touch.
    """

    def __init__(
        self, reserve: int, packed: Callable[[], None] | None = None, *, huge: bool = False, guard: bool = False
    ) -> None:
        self.memory = zeros(reserve, huge=huge)
        self._guard = guard
        self._first: dict[tuple[int, int], int] = {}
        self._others: dict[tuple[int, int, bytes], int] = {}
        self._packed = packed
        self._unreported = 0
        self.used = PAGE if guard else 0
        if guard:
            forbid(self.memory, 0, reserve // PAGE * PAGE)

    @property
    def address(self) -> int:
        return self.memory.ctypes.data

    @property
    def reserve(self) -> int:
        return self.memory.size

    def add(self, data: np.ndarray) -> int:
        """Copies data in and returns its offset; equal bytes are kept once. Raises WeightsFull."""
        from zlib import crc32  # which a warm start does not need

        raw = np.ascontiguousarray(data).view(np.uint8).reshape(-1)
        # BLAKE2b takes five times as long as CRC-32, of which anybody can find equal ones.
        key = raw.size, crc32(raw.data)
        first = self._first.get(key)
        if first is None:
            self._first[key] = first = self._copied(raw)
        elif not _equal(self.memory[first : first + raw.size], raw):
            other = *key, blake2b(raw.data, digest_size=16).digest()
            if other not in self._others:
                self._others[other] = self._copied(raw)
            return self._others[other]
        return first

    def _copied(self, raw: np.ndarray) -> int:
        start, used = self._take(raw.size)
        self.memory[start : start + raw.size] = raw
        # Before anybody is told of it, so that a process forked between the two wastes bytes, and writes none twice.
        self.used = used
        self._report(raw.size)
        return start

    def _take(self, size: int) -> tuple[int, int]:
        """Where a constant begins, and how much is used with it."""
        if self._guard:
            taken, begin = room(size)
            start, used = self.used + begin, self.used + taken + PAGE
        else:
            start, used = self.used, -(-(self.used + size) // ALIGNMENT) * ALIGNMENT
        if max(used, start + size + SLACK) > self.reserve:
            raise WeightsFull
        if self._guard:
            allow(self.memory, self.used, used - PAGE)
            self.memory[self.used : used - PAGE] = 0xFF
        return start, used

    def _report(self, size: int) -> None:
        self._unreported += size
        if self._packed is not None and self._unreported >= PACE:
            self._unreported = 0
            self._packed()


def _equal(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether bytes are the same, without an array of as many answers."""
    parts = range(0, one.size, PACE)
    return all(np.array_equal(one[i : i + PACE], other[i : i + PACE]) for i in parts)
