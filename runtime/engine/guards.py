"""MILLIJOULE_GUARD=1, for tests: sessions in which a kernel that leaves its memory is found out.

Every value, every constant and every thread's scratch memory lies on pages of its own, between pages that nobody may
touch, as far towards the end of them as its slack allows. Programs run twice, with all but the inputs filled with one
pattern and then with another. A step that wrote beside a value, and a result that depends on what lay there or on what
no step had written, is a RuntimeError; a read or write further away ends the process with SIGSEGV.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

import numpy as np

from ..program.apart import Apart, room
from ..program.view import Storage
from ..system.guard import PAGE, forbid
from ..system.hashing import blake2b
from ..system.memory import zeros

PATTERNS = 0xFF, 0x55
"""Bytes that make NaN, or 1.46e13, of a float32."""


def wanted() -> bool:
    return os.environ.get("MILLIJOULE_GUARD", "0") not in ("", "0")


def guarded(
    run: Callable[[], None], apart: Apart, memory: np.ndarray, kept: Sequence[Storage], results: Sequence[np.ndarray]
) -> Callable[[], None]:
    """`run` as a function that watches the memory. kept: storages of the inputs. results: the outputs' arrays."""

    def execute() -> None:
        found = []
        for pattern in PATTERNS:
            apart.fill(memory, pattern, kept)
            run()
            apart.check(memory, pattern)
            found.append([blake2b(np.ascontiguousarray(array).data).digest() for array in results])
        if found[0] != found[1]:
            raise RuntimeError("a result depends on memory that no step has written")

    return execute


def scratch(size: int, threads: int) -> tuple[np.ndarray, np.ndarray]:
    """Memory of so many bytes for each thread, and the address of each."""
    taken, begin = room(size)
    memory = zeros((taken + PAGE) * threads + PAGE)
    for thread in range(threads + 1):
        forbid(memory, thread * (taken + PAGE), thread * (taken + PAGE) + PAGE)
    return memory, memory.ctypes.data + np.uint64(PAGE + begin) + (taken + PAGE) * np.arange(threads, dtype=np.uint64)
