"""Answers by key, bounded by number and bytes; the one that was asked for the longest time ago goes first."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, replace
from typing import Any, Protocol

import msgspec

from ..engine.locks import Lock
from .question import Question, Signature, bytes_of

OVERHEAD = 1024
"""Bytes that an entry takes besides its input's and its answer's: key, dictionary and objects in CPython."""


class Entry(msgspec.Struct, frozen=True, gc=False):
    """of, data: what was asked. size: bytes that the entry counts for. macs, seconds, joules: what computing the answer
    took, see MemoryCounts. until: when it expires, by the store's clock."""

    of: Signature
    data: bytes
    answer: Any
    size: int
    macs: int
    seconds: float
    joules: float
    until: float


@dataclass(slots=True)
class MemoryCounts:
    """What a memory did since it was made. hits, misses: answers found, and not. expired: misses because the entry was
    too old. evicted: entries that made room for newer ones. unsure: answers that were not confident enough to be kept.
    saved_macs, saved_seconds: multiply-adds and time that hits made unnecessary. saved_joules: the same of energy above
    idle, modelled: by what the profile says that a busy core takes, and where that of this computer does not, that of
    its board or instruction set; nothing where none does.
    similar: hits by inputs that were only similar. audited: of those that would have been such hits, how many were
    computed instead; false: how many of these had another class."""

    hits: int = 0
    misses: int = 0
    expired: int = 0
    evicted: int = 0
    unsure: int = 0
    saved_macs: int = 0
    saved_seconds: float = 0.0
    saved_joules: float = 0.0
    similar: int = 0
    audited: int = 0
    false: int = 0


class Follower(Protocol):
    """What is told of entries that come and go, under the store's lock."""

    def added(self, key: Hashable, entry: Entry) -> None: ...

    def dropped(self, key: Hashable, entry: Entry) -> None: ...


class Store:
    """Every operation takes the same time however many entries there are. Threads may share it, and neither bound is
    exceeded at any moment."""

    def __init__(self, entries: int, max_bytes: int, expire: float | None) -> None:
        self._most, self._max_bytes, self._expire = entries, max_bytes, expire
        self._entries: OrderedDict[Hashable, Entry] = OrderedDict()
        self._bytes = 0
        self.counted = MemoryCounts()
        self.lock = Lock()
        self.clock: Callable[[], float] = time.monotonic
        self._followers: list[Follower] = []

    def follow(self, follower: Follower) -> None:
        with self.lock:
            self._followers.append(follower)

    def leave(self, follower: Follower) -> None:
        with self.lock:
            self._followers = [other for other in self._followers if other is not follower]

    def find(self, question: Question) -> Entry | None:
        """The entry whose input is, byte for byte, this one. Where there is none, `put` or `refuse` counts the miss."""
        key, of, arrays = question
        # Mostly there is none, and then no lock is needed.
        if key not in self._entries:
            return None
        data, lock = bytes_of(arrays), self.lock
        lock.acquire()
        try:
            entry = self._entries.get(key)
            if (
                entry is None
                or entry.data != data
                or (entry.of is not of and entry.of != of)
                or self._forgot(key, entry)
            ):
                return None
            self._hit(key, entry)
            return entry
        finally:
            lock.release()

    def take(self, key: Hashable, wanted: Entry) -> bool:
        """Whether an entry, found under another key by what it looks like, is still there; then it is a hit."""
        with self.lock:
            if self._entries.get(key) is not wanted or self._forgot(key, wanted):
                return False
            self.counted.similar += 1
            self._hit(key, wanted)
            return True

    def audited(self, key: Hashable, entry: Entry, *, right: bool) -> None:
        """Counts an answer that was computed although an entry seemed to fit; a wrong entry is no more."""
        with self.lock:
            self.counted.audited += 1
            if not right:
                self.counted.false += 1
                self.remove(key, entry)

    def peek(self, key: Hashable) -> Entry | None:
        """The entry under a key, which is no use of it."""
        return self._entries.get(key)

    def until(self, age: float = 0.0) -> float:
        """When an entry that was made so many seconds ago expires; 0 where none does."""
        return 0.0 if self._expire is None else self.clock() + self._expire - age

    def put(self, key: Hashable, entry: Entry, *, miss: bool = True) -> None:
        """Keeps an entry, in place of what has the same key; not one that is larger than the bound. miss: whether it is
        the new answer to what was not found."""
        entries, lock, size = self._entries, self.lock, entry.size
        lock.acquire()
        try:
            if miss:
                self.counted.misses += 1
            if size > self._max_bytes or not self._most:
                return
            if key in entries:
                self._drop(key)
            while len(entries) >= self._most or self._bytes + size > self._max_bytes:
                oldest, old = entries.popitem(last=False)
                self._bytes -= old.size
                self.counted.evicted += 1
                for follower in self._followers:
                    follower.dropped(oldest, old)
            # Counted first: a process forked between the two believes to have less room, not more.
            self._bytes += size
            entries[key] = entry
            for follower in self._followers:
                follower.added(key, entry)
        finally:
            lock.release()

    def refuse(self) -> None:
        """Counts a new answer that was not confident enough."""
        with self.lock:
            self.counted.misses += 1
            self.counted.unsure += 1

    def get(self, question: Question) -> Entry | None:
        """As `find`, but no use of the entry."""
        key, of, arrays = question
        with self.lock:
            entry = self._entries.get(key)
            if entry is None or entry.data != bytes_of(arrays) or entry.of != of or self._forgot(key, entry):
                return None
            return entry

    def remove(self, key: Hashable, wanted: Entry) -> bool:
        """Forgets an entry; whether it was still there."""
        with self.lock:
            found = self._entries.get(key) is wanted
            if found:
                self._drop(key)
            return found

    def clear(self) -> None:
        with self.lock:
            while self._entries:
                self._drop(next(iter(self._entries)))

    def counts(self) -> MemoryCounts:
        with self.lock:
            return replace(self.counted)

    @property
    def bytes(self) -> int:
        return self._bytes

    def __len__(self) -> int:
        return len(self._entries)

    def _forgot(self, key: Hashable, entry: Entry) -> bool:
        """Whether an entry is too old; then it is no more."""
        if self._expire is None or self.clock() < entry.until:
            return False
        self._drop(key)
        self.counted.expired += 1
        return True

    def _hit(self, key: Hashable, entry: Entry) -> None:
        counted = self.counted
        self._entries.move_to_end(key)
        counted.hits += 1
        counted.saved_macs += entry.macs
        counted.saved_seconds += entry.seconds
        counted.saved_joules += entry.joules

    def _drop(self, key: Hashable) -> None:
        entry = self._entries.pop(key)
        self._bytes -= entry.size
        for follower in self._followers:
            follower.dropped(key, entry)
