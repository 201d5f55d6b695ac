"""Helper threads of one arena, asleep on a futex while there is nothing to share."""

from __future__ import annotations

import os
import threading
from typing import TYPE_CHECKING

import numpy as np

from .compiler.abi import Address
from .kernels.execute import CONTROL_BYTES
from .native import function

if TYPE_CHECKING:
    from .compiler.loader import Code


class Team:
    """len(bases) - 1 threads beside the leader; row i of bases is thread i's base registers.

    control: index of the base register that holds the address of the control block, which `Team` fills in.
    """

    def __init__(self, bases: np.ndarray, control: int, code: Code) -> None:
        self._memory = np.zeros(CONTROL_BYTES + 64, np.uint8)
        self._aligned = -self._memory.ctypes.data % 64
        self._bases, self._register, self._code = bases, control, code
        self._threads: list[threading.Thread] = []
        self._pid = 0
        bases[:, control] = self._memory.ctypes.data + self._aligned

    def start(self) -> None:
        """Starts the threads: at first, and again in a process that was forked since."""
        if self._pid == os.getpid():
            return
        self._pid = os.getpid()
        self._memory[:] = 0
        stride = self._bases.strides[0]
        self._threads = []
        for i in range(1, len(self._bases)):
            arguments: dict[str, Address | int] = {"control": Address(self._register, 0), "bases_at": i * stride}
            life = function(self._code, "execute.assist()", self._bases, arguments)
            thread = threading.Thread(target=life, args=(0, 0), daemon=True, name=f"millijoule-{i}")
            thread.start()
            self._threads.append(thread)

    def close(self) -> None:
        """Ends the threads; none of them may be serving a program."""
        if self._pid == os.getpid():
            function(self._code, "execute.dismiss()", self._bases, {"control": Address(self._register, 0)})(0, 0)
            for thread in self._threads:
                thread.join()
        self._pid = 0
