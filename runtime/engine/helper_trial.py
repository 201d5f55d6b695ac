"""Helper threads are used where they help: measured while the program runs, since that depends on what else the cores
do, and on how far apart they are. A virtual machine's may be moved at any time."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter_ns

RUNS = 10
"""Of each way in a trial; the first of them, which may have to wake threads, do not count."""
UNCOUNTED = 3
REST_NS, REST_ALONE_NS = 200_000_000, 100_000_000
"""Between trials. One that went against the helpers, perhaps because the system took a core away just then, is soon
held again."""
GAIN = 0.97
"""What helpers must reduce the time to."""


class HelperTrial:
    """Calls `together` or `alone`, which do the same, whichever was faster lately."""

    def __init__(self, together: Callable[[], None], alone: Callable[[], None]) -> None:
        self._ways = together, alone
        self._chosen = together
        self._rest = 0
        self._times: list[int] = []

    def __call__(self) -> None:
        if self._rest > 0:
            self._rest -= 1
            self._chosen()
        else:
            self._measure()

    def _measure(self) -> None:
        way = self._ways[len(self._times) // RUNS]
        start = perf_counter_ns()
        way()
        self._times.append(perf_counter_ns() - start)
        if len(self._times) < 2 * RUNS:
            return
        together, alone = _typical(self._times[UNCOUNTED:RUNS]), _typical(self._times[RUNS + UNCOUNTED :])
        if together < GAIN * alone:
            self._chosen, self._rest = self._ways[0], REST_NS // max(together, 1)
        else:
            self._chosen, self._rest = self._ways[1], REST_ALONE_NS // max(alone, 1)
        self._times.clear()


def _typical(times: list[int]) -> int:
    """Of undisturbed runs."""
    return sorted(times)[len(times) // 4]
