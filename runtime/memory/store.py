"""Answers by key, bounded by number and bytes; the one that was asked for the longest time ago goes first."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from ..engine.locks import Lock

OVERHEAD = 1024
"""Bytes that an entry takes besides its input's and its answer's: key, dictionary and objects in CPython."""


class Entry(NamedTuple):
    """data: the input's bytes. size: bytes that the entry counts for. macs: multiply-adds that computing the answer
    took. until: when it expires, by the store's clock."""

    data: bytes
    answer: Any
    size: int
    macs: int
    until: float


@dataclass(slots=True)
class MemoryCounts:
    """What a memory did since it was made. hits, misses: answers found, and not. expired: misses because the entry was
    too old. evicted: entries that made room for newer ones. unsure: answers that were not confident enough to be kept.
    saved_macs: multiply-adds that hits made unnecessary."""

    hits: int = 0
    misses: int = 0
    expired: int = 0
    evicted: int = 0
    unsure: int = 0
    saved_macs: int = 0


class Store:
    """Every operation takes the same time however many entries there are. Threads may share it, and neither bound is
    exceeded at any moment."""

    def __init__(self, entries: int, max_bytes: int, expire: float | None) -> None:
        self._most, self._max_bytes, self._expire = entries, max_bytes, expire
        self._entries: OrderedDict[Hashable, Entry] = OrderedDict()
        self._bytes = 0
        self._counts = MemoryCounts()
        self._lock = Lock()
        self.clock: Callable[[], float] = time.monotonic

    def find(self, key: Hashable, data: bytes) -> Entry | None:
        """The entry under a key whose input is, byte for byte, this one."""
        counts, lock = self._counts, self._lock
        lock.acquire()
        try:
            entry = self._entries.get(key)
            if entry is not None and entry.data == data:
                if self._expire is None or self.clock() < entry.until:
                    self._entries.move_to_end(key)
                    counts.hits += 1
                    counts.saved_macs += entry.macs
                    return entry
                self._drop(key)
                counts.expired += 1
            counts.misses += 1
            return None
        finally:
            lock.release()

    def put(self, key: Hashable, data: bytes, answer: Any, answer_bytes: int, macs: int) -> None:
        """Keeps an answer, in place of what has the same key; not one that is larger than the bound."""
        size = len(data) + answer_bytes + OVERHEAD
        if size > self._max_bytes or self._most == 0:
            return
        until = 0.0 if self._expire is None else self.clock() + self._expire
        entry = Entry(data, answer, size, macs, until)
        entries, lock = self._entries, self._lock
        lock.acquire()
        try:
            if key in entries:
                self._drop(key)
            while len(entries) >= self._most or self._bytes + size > self._max_bytes:
                self._drop(next(iter(entries)))
                self._counts.evicted += 1
            # Counted first: a process forked between the two believes to have less room, not more.
            self._bytes += size
            entries[key] = entry
        finally:
            lock.release()

    def refuse(self) -> None:
        """Counts an answer that was not confident enough."""
        with self._lock:
            self._counts.unsure += 1

    def remove(self, key: Hashable) -> bool:
        """Forgets the entry under a key; whether there was one."""
        with self._lock:
            found = key in self._entries
            if found:
                self._drop(key)
            return found

    def clear(self) -> None:
        with self._lock:
            self._entries.clear()
            self._bytes = 0

    def counts(self) -> MemoryCounts:
        with self._lock:
            return replace(self._counts)

    @property
    def bytes(self) -> int:
        return self._bytes

    def __len__(self) -> int:
        return len(self._entries)

    def _drop(self, key: Hashable) -> None:
        entry = self._entries.pop(key)
        self._bytes -= entry.size
