"""Pages taken out of memory in use: what was written there, without a copy and without twice the memory. Linux 5.7."""

from __future__ import annotations

import ctypes
import mmap
import sys
from functools import cache
from typing import Any, Final

import numpy as np

from .memory import zeros

PAGE: Final = mmap.PAGESIZE
HUGE: Final = 2 << 20
"""Bytes of a huge page: page tables are moved whole where both ends lie alike in one."""
_MAYMOVE, _FIXED, _KEEP = 1, 2, 4
"""MREMAP_MAYMOVE, MREMAP_FIXED and MREMAP_DONTUNMAP, of Linux's <linux/mman.h>."""
_FAILED: Final = ctypes.c_void_p(-1).value


def lift(memory: np.ndarray, first: int, end: int) -> np.ndarray | None:
    """The bytes first <= i < end of memory from `zeros`, writable and away from it; where they were, the whole pages
    among them read as zeros. None, and nothing done, where the system cannot do it."""
    move = _mremap()
    start, stop = -(-first // PAGE) * PAGE, end // PAGE * PAGE
    if move is None or stop <= start:
        return None
    base = memory.ctypes.data
    room = zeros(stop - start + 2 * PAGE + HUGE)
    skip = PAGE + (base + start - room.ctypes.data - PAGE) % HUGE
    moved = move(base + start, stop - start, stop - start, _MAYMOVE | _FIXED | _KEEP, room.ctypes.data + skip)
    if moved in (None, _FAILED):
        return None
    found = room[skip - (start - first) : skip + (end - start)]
    found[: start - first] = memory[first:start]
    found[stop - first :] = memory[stop:end]
    return found


@cache
def _mremap() -> Any:
    """None where there is none."""
    if not sys.platform.startswith("linux"):
        return None
    move = getattr(ctypes.CDLL(None, use_errno=True), "mremap", None)
    if move is not None:
        move.restype = ctypes.c_void_p
        move.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_size_t, ctypes.c_int, ctypes.c_void_p]
    return move
