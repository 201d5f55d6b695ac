"""Locks that a forked child finds open, whichever other thread of its parent held them."""

from __future__ import annotations

import os
import threading
import weakref


class Lock:
    """A reentrant lock.

    What it guards must be sound after every single statement, as a fork may come between any two of another thread's.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        _locks.add(self)

    def acquire(self, blocking: bool = True) -> bool:
        """Whether this thread now holds the lock."""
        return self._lock.acquire(blocking)

    def release(self) -> None:
        self._lock.release()

    def renew(self) -> None:
        self._lock = threading.RLock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()


_locks: weakref.WeakSet[Lock] = weakref.WeakSet()


def _renew_all() -> None:
    for lock in list(_locks):
        lock.renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_all)
