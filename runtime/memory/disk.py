"""Answers on a disk: a store's entries in an SQLite database, for the next process."""

from __future__ import annotations

import atexit
import contextlib
import os
import sqlite3
import threading
import time
import weakref
from collections.abc import Hashable
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from ..engine.locks import Lock
from ..errors import warn
from .database import Database, Row
from .question import Signature, written
from .store import Entry, Store

if TYPE_CHECKING:
    from .answers import Answers

PAUSE = 0.5
"""Seconds that new answers are collected for before they are written together."""
BATCH = 256
"""How many are written in one transaction at most."""


class Stored(NamedTuple):
    """A row that is sound. age: seconds since the answer was computed."""

    row: Row
    age: float


class Disk:
    """Follows a store: what is new there is written soon, and what is gone deleted. A thread does so, which lives as
    long as there is anything to write, so that whoever asks never waits for the disk.

    Where the disk is full or fails, one warning says so and the store goes on in memory. A process that is killed loses
    what was not yet written; a forked child writes nothing.
    """

    def __init__(self, path: str | os.PathLike[str], store: Store, entries: int, max_bytes: int) -> None:
        self.path = os.fspath(path)
        self._store = store
        self._bounds = entries, max_bytes
        self._database: Database | None = None
        self._encoders: dict[bytes, Answers] = {}
        self._pending: dict[Hashable, Entry] = {}
        self._rows: dict[Hashable, int] = {}
        self._gone: list[int] = []
        self._loading: tuple[Entry, int] | None = None
        self._io = Lock()
        self._thread: threading.Thread | None = None
        try:
            self._database = Database(self.path)
        except (sqlite3.Error, OSError) as problem:
            self._give_up(problem)
        else:
            store.follow(self)
            _disks.add(self)

    def rows(self, owner: bytes, answers: Answers) -> list[Stored]:
        """What is kept of an owner's answers, the oldest first; `answers` reads and writes them from now on. Nothing
        where they were read before."""
        with self._io:
            if self._database is None or owner in self._encoders:
                return []
            self._encoders[owner] = answers
            try:
                rows = self._database.read(owner)
            except sqlite3.Error as problem:
                self._give_up(problem)
                return []
        now = time.time()
        return [Stored(row, now - row.made) for row in rows]

    def put(self, key: Hashable, entry: Entry, row: int) -> None:
        """Gives the store an entry that a row holds already."""
        with self._store.lock:
            self._loading = entry, row
            self._store.put(key, entry, miss=False)
            self._loading = None

    def discard(self, rows: list[int]) -> None:
        """Deletes rows that are of no use, soon."""
        with self._store.lock:
            self._gone += rows
        if rows:
            self._hurry()

    def added(self, key: Hashable, entry: Entry) -> None:
        if self._loading is not None and self._loading[0] is entry:
            self._rows[key] = self._loading[1]
            return
        self._pending[key] = entry
        self._hurry()

    def dropped(self, key: Hashable, entry: Entry) -> None:
        if self._pending.get(key) is entry:
            del self._pending[key]
        elif key in self._rows:
            self._gone.append(self._rows.pop(key))
            self._hurry()

    def flush(self) -> None:
        """Writes all that is not yet on the disk."""
        while True:
            with self._io:
                if self._database is None or not self._write_some(self._database):
                    return

    def close(self) -> None:
        """Writes all, and is done with the file."""
        self.flush()
        with self._io:
            if self._database is not None:
                self._database.close()
            self._forget()

    def abandon(self) -> None:
        """Of a forked child: the connection is its parent's, and must not even be closed."""
        _abandoned.append(self._database)
        self._database = None
        self._thread = None
        self._forget()

    def _write_some(self, database: Database) -> bool:
        """Whether there was anything to write, and it was written."""
        with self._store.lock:
            gone, self._gone = self._gone, []
            batch = [(key, self._pending.pop(key)) for key in list(islice(self._pending, BATCH))]
        if not batch and not gone:
            return False
        now, until = time.time(), self._store.until()
        rows = [self._row(entry, now, until) for _, entry in batch]
        try:
            numbers = database.write(rows, gone, *self._bounds)
        except sqlite3.Error as problem:
            if database.is_busy(problem):
                with self._store.lock:
                    self._gone += gone
                    self._pending |= {key: entry for key, entry in batch if self._store.peek(key) is entry}
            else:
                self._give_up(problem)
            return False
        with self._store.lock:
            for (key, entry), number in zip(batch, numbers, strict=True):
                # It may have made room for another meanwhile.
                if self._store.peek(key) is entry:
                    self._rows[key] = number
                else:
                    self._gone.append(number)
        return True

    def _row(self, entry: Entry, now: float, until: float) -> Row:
        of: Signature = entry.of
        answer = self._encoders[of.owner].encode(entry.answer)
        # What expires was made as long before what is made now as it expires earlier.
        made = now - (until - entry.until) if entry.until else now
        forms = written(of.forms)
        return Row(entry.size, of.owner, forms, entry.macs, entry.seconds, entry.joules, made, answer, entry.data)

    def _hurry(self) -> None:
        if self._thread is None:
            thread = threading.Thread(target=self._work, name="millijoule-memory", daemon=True)
            # Where none can be started, as the interpreter ends, `close` writes what is left.
            with contextlib.suppress(RuntimeError):
                thread.start()
                self._thread = thread

    def _work(self) -> None:
        while True:
            time.sleep(PAUSE)
            self.flush()
            with self._store.lock:
                if self._database is None or not (self._pending or self._gone):
                    self._thread = None
                    return

    def _give_up(self, problem: Exception) -> None:
        text = (problem.strerror if isinstance(problem, OSError) else None) or str(problem)
        warn(
            f"memory {self.path} is not written any more: {text}; answers are kept in memory only, until this process "
            "ends"
        )
        if self._database is not None:
            self._database.close()
        self._forget()

    def _forget(self) -> None:
        with self._store.lock:
            self._store.leave(self)
            self._database, self._pending, self._gone, self._rows = None, {}, [], {}
        _disks.discard(self)


_disks: weakref.WeakSet[Disk] = weakref.WeakSet()
_abandoned: list[Database | None] = []


def _flush_all() -> None:
    for disk in list(_disks):
        disk.close()


def _abandon_all() -> None:
    for disk in list(_disks):
        disk.abandon()


atexit.register(_flush_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_abandon_all)
