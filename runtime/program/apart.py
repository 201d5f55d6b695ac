"""Blocks of memory on pages of their own, between pages that nobody may touch: see engine/guards.py."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..system.guard import PAGE, forbid, pages
from ..system.memory import zeros
from .bounds import ALIGNMENT, SLACK
from .view import Storage


def room(size: int) -> tuple[int, int]:
    """The bytes of pages for a block of `size` bytes and the slack behind it, and where in them it begins."""
    padded = -(-(size + SLACK) // ALIGNMENT) * ALIGNMENT
    return pages(padded), pages(padded) - padded


class Apart:
    """The memory of a program's values, each on pages of its own.

    storages: get their offsets, before which the program's table must not be encoded.
    """

    def __init__(self, storages: Sequence[Storage]) -> None:
        self.storages = storages
        self._pages: list[tuple[int, int]] = []
        at = PAGE
        for storage in storages:
            taken, begin = room(storage.size)
            storage.offset = at + begin
            self._pages.append((at, at + taken))
            at += taken + PAGE
        self.size = at

    def memory(self) -> np.ndarray:
        """New memory, uint8 zeros, with nobody allowed between the values' pages."""
        memory = zeros(self.size)
        end = 0
        for first, stop in [*self._pages, (self.size, self.size)]:
            forbid(memory, end, first)
            end = stop
        return memory

    def fill(self, memory: np.ndarray, pattern: int, kept: Sequence[Storage]) -> None:
        """Everything that may be touched, but what is in the storages to be kept."""
        for storage, (first, end) in zip(self.storages, self._pages, strict=True):
            if any(storage is other for other in kept):
                memory[first : storage.offset] = pattern
                memory[storage.offset + storage.size : end] = pattern
            else:
                memory[first:end] = pattern

    def check(self, memory: np.ndarray, pattern: int) -> None:
        """RuntimeError where the bytes beside a storage are no longer as they were filled."""
        for storage, (first, end) in zip(self.storages, self._pages, strict=True):
            begin, stop = storage.offset, storage.offset + storage.size
            if (memory[first:begin] != pattern).any() or (memory[stop:end] != pattern).any():
                raise RuntimeError(
                    f"a step wrote beside a value of {storage.size} bytes that lives from step {storage.first} to "
                    f"{storage.last}"
                )
