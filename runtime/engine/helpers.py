"""Helper threads of one workspace, asleep on a futex while there is nothing to share."""

from __future__ import annotations

import os
import threading
import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from ..compiler.abi import Address
from ..errors import warn
from ..kernels.execute import POLLS_PER_US, SLOT, SLOTS, SPINS
from ..targets.cpu import host_machine
from .affinity import keep_to, places
from .native import function

if TYPE_CHECKING:
    from ...device_profiles import Profile
    from ..compiler.loader import Code


class Helpers:
    """len(bases) - 1 threads beside the leader; row i of bases is thread i's base registers.

    control: index of the base register that holds the address of the control block, which `Helpers` fills in. profile:
    says how long the threads spin, and on which CPUs. The threads end with `close`, or with this object itself, or when
    Python exits.
    """

    def __init__(self, bases: np.ndarray, control: int, code: Code, profile: Profile) -> None:
        self._memory = np.zeros(SLOTS + SLOT * len(bases) + 64, np.uint8)
        self._aligned = -self._memory.ctypes.data % 64
        self._bases, self._register, self._code = bases, control, code
        self._spins = round(profile.spin_us * POLLS_PER_US[host_machine()])
        self._places = places(profile, len(bases))
        self._end: Callable[[], object] | None = None
        self._pid = 0
        self.control = self._memory.ctypes.data + self._aligned
        """Address of the control block."""
        bases[:, control] = self.control

    def start(self) -> None:
        """Starts the threads: at first, and again in a process that was forked since.

        A leader needs no helper, so where the system grants no more threads one warning says so.
        """
        if self._pid == os.getpid():
            return
        self._pid = os.getpid()
        self._memory[:] = 0
        self._memory[self._aligned + SPINS :][:8].view(np.int64)[0] = self._spins
        stride = self._bases.strides[0]
        dismiss = function(self._code, "execute.dismiss()", self._bases, {"control": Address(self._register, 0)})
        threads: list[threading.Thread] = []
        # Not a method of the team, which would keep itself alive. weakref's hook runs at exit while threads can still
        # be joined; a thread that wants the interpreter back later than that never ends.
        self._end = weakref.finalize(self, _end, dismiss, threads, self._memory, self._pid)
        for i in range(1, len(self._bases)):
            arguments: dict[str, Address | int] = {
                "control": Address(self._register, 0), "threads": len(self._bases), "own": i, "bases_at": i * stride,
            }  # fmt: skip
            life = function(self._code, "execute.assist()", self._bases, arguments)
            thread = threading.Thread(target=_live, args=(life, self._places), daemon=True, name=f"millijoule-{i}")
            try:
                thread.start()
            except RuntimeError as problem:
                warn(f"{problem}: fewer than {len(self._bases)} threads work")
                break
            threads.append(thread)

    def close(self) -> None:
        """Ends the threads. A program that runs meanwhile ends too, on its leader alone."""
        if self._end is not None:
            self._end()


def _live(life: Callable[[], None], places: frozenset[int] | None) -> None:
    if places is not None:
        keep_to(places)
    life()


def _end(dismiss: Callable[[], None], threads: list[threading.Thread], memory: np.ndarray, pid: int) -> None:
    """memory: the control block, which must outlive the threads."""
    if pid == os.getpid():
        dismiss()
        for thread in threads:
            thread.join()
