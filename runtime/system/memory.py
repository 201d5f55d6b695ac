"""Memory straight from the system: zeroed, at the beginning of a page, and given back whole."""

from __future__ import annotations

import contextlib
import ctypes
import mmap
import sys

import numpy as np

from ..errors import Error

_NORESERVE = 0x4000 if sys.platform.startswith("linux") else 0
"""MAP_NORESERVE, which Python's mmap names only since 3.13: pages count once they are written."""


LARGE = 4 << 20
"""Bytes in use from which on memory is asked for in huge pages: small programs shall not grow by halves of them."""


def zeros(size: int, *, huge: bool = False) -> np.ndarray:
    """uint8 zeros whose pages the system provides as they are touched; after a fork, each process has its own.

    huge: asks for huge pages, where the system lends them on request: prefetchers stop at the ends of pages, and
    weights that are read once per inference miss the TLB on every small one.
    Raises Error where the address space does not suffice.
    """
    try:
        if not hasattr(mmap, "MAP_PRIVATE"):
            return np.frombuffer(mmap.mmap(-1, max(size, 1)), np.uint8)
        flags = mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | _NORESERVE
        memory = mmap.mmap(-1, max(size, 1), flags=flags)
        if huge and hasattr(mmap, "MADV_HUGEPAGE"):
            with contextlib.suppress(OSError):  # kernels without huge pages refuse the advice
                memory.madvise(mmap.MADV_HUGEPAGE)
        return np.frombuffer(memory, np.uint8)
    except (OSError, OverflowError, ValueError) as problem:
        raise Error(f"the system does not grant {size} bytes of memory: {problem}") from None


def trim() -> None:
    """Gives the system back what was freed, which glibc keeps for later: after packing weights, megabytes."""
    if sys.platform.startswith("linux"):
        with contextlib.suppress(AttributeError):  # other C libraries have no such function
            ctypes.CDLL(None).malloc_trim(0)
