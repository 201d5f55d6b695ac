"""The block of packed constants that every program of a session, and every clone of it, reads."""

from __future__ import annotations

import hashlib
import mmap

import numpy as np

from ..errors import ModelError

ALIGNMENT = 64


class Weights:
    """Append-only, at a fixed address: memory is reserved at once, and the system provides pages as they are written.

    reserve: bytes of address space.
    """

    def __init__(self, reserve: int) -> None:
        self._memory = mmap.mmap(-1, max(reserve, mmap.PAGESIZE))
        self.memory = np.frombuffer(self._memory, np.uint8)
        self._known: dict[bytes, int] = {}
        self.used = 0

    @property
    def address(self) -> int:
        return self.memory.ctypes.data

    def add(self, data: np.ndarray) -> int:
        """Copies data in and returns its offset; equal bytes are kept once."""
        raw = np.ascontiguousarray(data).view(np.uint8).reshape(-1)
        key = hashlib.blake2b(raw, digest_size=16).digest() + raw.size.to_bytes(8, "little")
        if key not in self._known:
            end = self.used + raw.size
            if end + ALIGNMENT > len(self.memory):
                raise ModelError(
                    f"packed weights need more than the {len(self.memory)} bytes reserved; close other plans or reload"
                )
            self.memory[self.used : end] = raw
            self._known[key] = self.used
            self.used = -(-end // ALIGNMENT) * ALIGNMENT
        return self._known[key]
