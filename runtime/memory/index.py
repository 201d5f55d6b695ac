"""Entries by what their images look like."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from typing import Any, Protocol

from .dhash import DHash
from .moments import Moments
from .question import Signature
from .similar import MOMENTS, Similar
from .store import Entry, Store

CELL = 16
"""How many entries are found in one cell: the newest. Where more look alike, older ones are found no more, so that
looking takes the same time however many there are."""
OVERHEAD = 2048
"""Bytes that an entry takes in an index, in CPython."""


class Fingerprint(Protocol):
    """A kind of marks. `filed` gives the cells that a mark is filed under, `asked` those in which near ones are."""

    def mark(self, gray: Any) -> Any: ...

    def filed(self, mark: Any) -> list[Hashable]: ...

    def asked(self, mark: Any) -> Iterable[Hashable]: ...

    def distance(self, one: Any, other: Any) -> float | None: ...


class Index:
    """Marks of a store's entries; shares the store's lock."""

    def __init__(self, store: Store, fingerprint: Fingerprint) -> None:
        self._store = store
        self.fingerprint = fingerprint
        self._cells: dict[tuple[int, Hashable], list[Hashable]] = {}
        self._marks: dict[Hashable, tuple[Any, list[tuple[int, Hashable]]]] = {}
        store.follow(self)

    def file(self, key: Hashable, entry: Entry, mark: Any) -> None:
        """Files an entry of the store, unless it is gone meanwhile."""
        cells = [(entry.of.seed, cell) for cell in self.fingerprint.filed(mark)]
        with self._store.lock:
            if self._store.peek(key) is not entry:
                return
            self._marks[key] = mark, cells
            for cell in cells:
                keys = self._cells.setdefault(cell, [])
                keys.append(key)
                if len(keys) > CELL:
                    del keys[0]

    def near(self, of: Signature, mark: Any) -> list[tuple[Hashable, Entry]]:
        """Entries of this signature with near marks, the nearest first."""
        found: dict[Hashable, tuple[float, Entry]] = {}
        with self._store.lock:
            for cell in self.fingerprint.asked(mark):
                for key in self._cells.get((of.seed, cell), ()):
                    known, entry = self._marks.get(key), self._store.peek(key)
                    if key in found or known is None or entry is None or entry.of != of:
                        continue
                    distance = self.fingerprint.distance(mark, known[0])
                    if distance is not None:
                        found[key] = distance, entry
        ranked = sorted(found.items(), key=lambda item: item[1][0])
        return [(key, entry) for key, (_, entry) in ranked]

    @staticmethod
    def of(store: Store, similar: Similar) -> Index:
        assert similar.radius is not None
        return Index(store, Moments(similar.radius) if similar.fingerprint == MOMENTS else DHash(similar.radius))

    def added(self, key: Hashable, entry: Entry) -> None:
        """Nothing: what an entry looks like is known to whoever adds it."""

    def dropped(self, key: Hashable, entry: Entry) -> None:
        known = self._marks.pop(key, None)
        for cell in () if known is None else known[1]:
            keys = self._cells[cell]
            if key in keys:
                keys.remove(key)
            if not keys:
                del self._cells[cell]

    def __len__(self) -> int:
        return len(self._marks)
