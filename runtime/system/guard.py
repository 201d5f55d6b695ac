"""Pages that nobody may touch, for finding out who does: a read or a write there ends the process with a signal."""

from __future__ import annotations

import ctypes
import mmap
import os

import numpy as np

from ..errors import Error

PAGE = mmap.PAGESIZE
_NOBODY, _READ_WRITE = 0, 3
"""PROT_NONE, and PROT_READ | PROT_WRITE."""


def forbid(memory: np.ndarray, first: int, end: int) -> None:
    """Nobody may touch the bytes first <= i < end, whole pages of memory from `system.memory.zeros`, any more."""
    _protect(memory, first, end, _NOBODY)


def allow(memory: np.ndarray, first: int, end: int) -> None:
    """Takes `forbid` back."""
    _protect(memory, first, end, _READ_WRITE)


def pages(size: int) -> int:
    """Bytes of the pages that so many bytes take up."""
    return -(-size // PAGE) * PAGE


def _protect(memory: np.ndarray, first: int, end: int, protection: int) -> None:
    """Raises Error where the system refuses, as it does from some 65 000 areas on."""
    if end <= first:
        return
    mprotect = ctypes.CDLL(None, use_errno=True).mprotect
    address = ctypes.c_void_p(memory.ctypes.data + first)
    if mprotect(address, ctypes.c_size_t(end - first), protection):
        raise Error(f"pages cannot be guarded: {os.strerror(ctypes.get_errno())}")
