"""The SQLite file that answers are kept in. What is read from it is whole, or is not read."""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from ..errors import Error, warn
from ..system import private_files
from ..system.hashing import blake2b

VERSION = 1
APPLICATION = 0x6D4A614D
"""What SQLite's header says of whose file it is."""
MAGIC = b"SQLite format 3\0"
BUSY_SECONDS = 2.0
FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
SCHEMA = f"""
PRAGMA application_id = {APPLICATION};
PRAGMA user_version = {VERSION};
CREATE TABLE answers (
    id INTEGER PRIMARY KEY, size INTEGER NOT NULL, owner BLOB NOT NULL, forms TEXT NOT NULL, macs INTEGER NOT NULL,
    seconds REAL NOT NULL, joules REAL NOT NULL, made REAL NOT NULL, checksum BLOB NOT NULL, answer BLOB NOT NULL,
    data BLOB NOT NULL
);
CREATE INDEX owners ON answers (owner);
CREATE TABLE totals (entries INTEGER NOT NULL, bytes INTEGER NOT NULL);
INSERT INTO totals VALUES (0, 0);
CREATE TRIGGER inserted AFTER INSERT ON answers
    BEGIN UPDATE totals SET entries = entries + 1, bytes = bytes + new.size; END;
CREATE TRIGGER deleted AFTER DELETE ON answers
    BEGIN UPDATE totals SET entries = entries - 1, bytes = bytes - old.size; END;
"""
COLUMNS = "size, owner, forms, macs, seconds, joules, made, answer, data"


class Row(NamedTuple):
    """An entry as the file has it. forms: as question.written has them. made: by the system's clock. id: 0 of what is
    not there yet."""

    size: int
    owner: bytes
    forms: str
    macs: int
    seconds: float
    joules: float
    made: float
    answer: bytes
    data: bytes
    id: int = 0

    def checksum(self) -> bytes:
        return blake2b(msgspec.msgpack.encode(tuple(self)[:-1]), digest_size=16).digest()


class Database:
    """Error where the path is not for us to write: of somebody else, or another program's. sqlite3.Error and OSError
    where the disk fails or is full. A damaged file of ours, or one of another version, is begun anew with a warning."""

    def __init__(self, path: str) -> None:
        self._path = Path(os.path.abspath(path))
        if not self._is_ours():
            self._create()
        try:
            self._connection = self._open()
        except sqlite3.DatabaseError as problem:
            if not _is_damage(problem):
                raise
            self._begin_anew(f"is damaged ({problem})")

    def read(self, owner: bytes) -> list[Row]:
        """The sound rows of an owner, the oldest first. Damaged ones are deleted."""
        found: list[Row] = []
        damaged: list[Row] = []
        query = f"SELECT {COLUMNS}, id, checksum FROM answers WHERE owner = ? ORDER BY id"
        try:
            for *fields, checksum in self._connection.execute(query, (owner,)):
                row = Row(*fields)
                (found if _is_sound(row, checksum) else damaged).append(row)
        except sqlite3.DatabaseError as problem:
            if not _is_damage(problem):
                raise
            self._begin_anew(f"is damaged ({problem})")
            return []
        if damaged:
            warn(f"memory {self._path}: {len(damaged)} damaged answers are left out")
            self.write([], [row.id for row in damaged], None, None)
        return found

    def write(self, rows: Sequence[Row], gone: Sequence[int], entries: int | None, max_bytes: int | None) -> list[int]:
        """Adds rows and deletes others in one transaction; the new rows' ids. The oldest above the bounds go, too."""
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            connection.executemany("DELETE FROM answers WHERE id = ?", [(row,) for row in gone])
            insert = f"INSERT INTO answers ({COLUMNS}, checksum) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
            found = []
            for row in rows:
                cursor = connection.execute(insert, (*row[:-1], row.checksum()))
                assert cursor.lastrowid is not None
                found.append(cursor.lastrowid)
            if entries is not None and max_bytes is not None:
                self._bound(entries, max_bytes)
            connection.execute("COMMIT")
            return found
        except BaseException:
            # SQLite may have rolled back by itself, which a full disk makes it do.
            with contextlib.suppress(sqlite3.Error):
                connection.execute("ROLLBACK")
            raise

    def close(self) -> None:
        with contextlib.suppress(sqlite3.Error):
            self._connection.close()

    @staticmethod
    def is_busy(problem: Exception) -> bool:
        """Whether another process is writing, and it may go better later."""
        return isinstance(problem, sqlite3.OperationalError) and "locked" in str(problem)

    def _bound(self, entries: int, max_bytes: int) -> None:
        count, size = self._connection.execute("SELECT entries, bytes FROM totals").fetchone()
        if count <= entries and size <= max_bytes:
            return
        gone = []
        for row, its in self._connection.execute("SELECT id, size FROM answers ORDER BY id"):
            if count <= entries and size <= max_bytes:
                break
            gone.append((row,))
            count, size = count - 1, size - its
        self._connection.executemany("DELETE FROM answers WHERE id = ?", gone)

    def _is_ours(self) -> bool:
        """Whether there is a file, which another user cannot have written. Error where it is not a memory's."""
        try:
            descriptor = private_files.open_file(self._path)
        except FileNotFoundError:
            return False
        except (OSError, private_files.NotPrivate) as problem:
            text = (problem.strerror if isinstance(problem, OSError) else None) or str(problem)
            raise Error(f"cannot keep answers in {self._path}: {text}") from None
        with open(descriptor, "rb") as file:
            header = file.read(100)
        if not header:
            os.unlink(self._path)
            return False
        if header[:16] != MAGIC or int.from_bytes(header[68:72], "big") != APPLICATION:
            raise Error(f"cannot keep answers in {self._path}: it is no memory of answers; name another file")
        return True

    def _create(self) -> None:
        """An empty file, which is there whole or not at all."""
        temporary = self._path.with_name(f".{self._path.name}.{os.urandom(6).hex()}{private_files.TEMPORARY}")
        try:
            os.close(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))
        except OSError as problem:
            if problem.errno in FULL:
                raise
            raise Error(f"cannot keep answers in {self._path}: {problem.strerror or problem}") from None
        try:
            with contextlib.closing(sqlite3.connect(temporary, isolation_level=None)) as connection:
                connection.executescript(f"BEGIN;{SCHEMA}COMMIT;")
            # What a file of this name has left behind must not be taken for this one's.
            for end in ("-wal", "-shm", "-journal"):
                self._path.with_name(self._path.name + end).unlink(missing_ok=True)
            os.replace(temporary, self._path)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
            raise

    def _open(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, timeout=BUSY_SECONDS, isolation_level=None, check_same_thread=False, cached_statements=16
        )
        try:
            # One that is killed loses nothing of what is written; a power failure, the latest transactions.
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute("PRAGMA journal_size_limit = 1048576")
            (version,) = connection.execute("PRAGMA user_version").fetchone()
            if version != VERSION:
                raise sqlite3.DatabaseError(f"of version {version}, and {VERSION} is known")
            connection.execute("SELECT entries, bytes FROM totals").fetchone()
            return connection
        except BaseException:
            connection.close()
            raise

    def _begin_anew(self, why: str) -> None:
        warn(f"memory {self._path} {why}: it begins anew, empty")
        if hasattr(self, "_connection"):
            self.close()
        self._create()
        self._connection = self._open()


def _is_damage(problem: sqlite3.DatabaseError) -> bool:
    """Whether it is the file's content that is wrong, not the disk, a lock, or the rights to it."""
    text = str(problem)
    return not isinstance(problem, sqlite3.OperationalError) or "no such" in text or "unsupported" in text


def _is_sound(row: Row, checksum: object) -> bool:
    try:
        return checksum == row.checksum()
    except (TypeError, ValueError, OverflowError):
        return False
