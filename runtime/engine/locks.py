"""Locks that a forked child finds open, whichever other thread of its parent held them."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable


class Lock:
    """A reentrant lock.

    What it guards must be sound after every single statement, as a fork may come between any two of another thread's.
    """

    acquire: Callable[..., bool]
    """acquire(blocking=True): whether this thread now holds the lock."""
    release: Callable[[], None]

    def __init__(self) -> None:
        self.renew()
        _locks.add(self)

    def renew(self) -> None:
        # The very methods of the lock inside: an inference may take less time than two calls through others.
        lock = threading.RLock()
        self.acquire, self.release = lock.acquire, lock.release

    def __enter__(self) -> None:
        self.acquire()

    def __exit__(self, *_: object) -> None:
        self.release()


_locks: weakref.WeakSet[Lock] = weakref.WeakSet()


def _renew_all() -> None:
    for lock in list(_locks):
        lock.renew()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_all)
