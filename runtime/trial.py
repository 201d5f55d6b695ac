"""Helper threads are used where they help: measured while the program runs, since that depends on what else the cores
do, and on how far apart they are. A virtual machine's may be moved at any time."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from time import perf_counter_ns

RUNS = 6
"""Of each way in a trial; the first of them, which may have to wake threads, do not count."""
UNCOUNTED = 2
REST_NS = 500_000_000
"""Between trials."""
GAIN = 0.97
"""What helpers must reduce the time to."""


class Trial:
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
        together, alone = median(self._times[UNCOUNTED:RUNS]), median(self._times[RUNS + UNCOUNTED :])
        best, self._chosen = min((together, self._ways[0]), (alone * GAIN, self._ways[1]), key=lambda pair: pair[0])
        self._rest = int(REST_NS // max(best, 1))
        self._times.clear()
