"""Arrays beyond what memory should hold, in a temporary file that nobody sees."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from typing import IO

import numpy as np

from ...runtime.errors import Error

HELD = 8
"""Arrays of a batch that are in memory in any case: of ten samples, those that are calibrated with."""
SMALL = 1 << 18
"""Bytes that a batch's arrays may take together to be in memory, however many they are."""


class DiskFull(Error):
    """The temporary folder's."""


class Spool:
    """A list that is written once and gone through as often as needed, by several at once. The file lives as long as
    the object. what: of what an array is one, as an error names it."""

    def __init__(self, what: str) -> None:
        self._what, self._count = what, 0
        self._file: IO[bytes] = tempfile.TemporaryFile(prefix="millijoule-")  # noqa: SIM115

    def __len__(self) -> int:
        return self._count

    def add(self, array: np.ndarray) -> None:
        """DiskFull where it is."""
        try:
            np.save(self._file, array, allow_pickle=False)
            self._file.flush()
        except OSError as problem:
            raise DiskFull(
                f"{self._what} cannot be kept in {tempfile.gettempdir()}: {problem.strerror or problem}. TMPDIR names "
                "another folder"
            ) from None
        self._count += 1

    def __iter__(self) -> Iterator[np.ndarray]:
        place = 0
        for _ in range(self._count):
            self._file.seek(place)
            array = np.load(self._file, allow_pickle=False)
            place = self._file.tell()
            yield array
        self._file.seek(0, 2)


class Batch:
    """A tensor's numbers for each of the samples, in their order: the first few, or small ones, in memory."""

    def __init__(self) -> None:
        self._held: list[np.ndarray] = []
        self._bytes = 0
        self._more: Spool | None = None

    def __len__(self) -> int:
        return len(self._held) + (len(self._more) if self._more is not None else 0)

    def add(self, array: np.ndarray) -> None:
        self._bytes += array.nbytes
        if self._more is None and (len(self._held) < HELD or self._bytes <= SMALL):
            self._held.append(array)
            return
        if self._more is None:
            self._more = Spool("what a layer gives for the samples")
        self._more.add(array)

    def __iter__(self) -> Iterator[np.ndarray]:
        yield from self._held
        if self._more is not None:
            yield from self._more
