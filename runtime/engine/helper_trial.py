"""Helper threads are used where they help: measured while the program runs, since that depends on what else the cores
do, and on how far apart they are. A virtual machine's may be moved at any time, and a thread be kept to one core."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter_ns

RUNS, LEAST_RUNS = 10, 2
"""Of each way in a trial."""
UNCOUNTED = 0.3
"""Of them: the first, which may have to wake threads."""
ENOUGH_NS = 20_000_000
"""So long need the runs of one way not take in all."""
REST_NS, REST_ALONE_NS = 200_000_000, 100_000_000
"""Between trials, at least. One that went against the helpers, perhaps because the system took a core away just then,
is soon held again."""
REST_PER_LOSS = 50
"""Between trials, for what a trial has cost: the time that the slower way took longer."""
GAIN = 0.97
"""What helpers must reduce the time to."""


class HelperTrial:
    """Calls `together` or `alone`, which do the same, whichever was faster lately."""

    def __init__(self, together: Callable[[], None], alone: Callable[[], None]) -> None:
        self._ways = together, alone
        self._chosen = together
        self._rest = 0
        self._runs = RUNS
        self._times: list[int] = []

    def __call__(self) -> None:
        if self._rest > 0:
            self._rest -= 1
            self._chosen()
        else:
            self._measure()

    def _measure(self) -> None:
        way = self._ways[len(self._times) // self._runs]
        start = perf_counter_ns()
        way()
        self._times.append(perf_counter_ns() - start)
        if len(self._times) == LEAST_RUNS:
            self._runs = max(LEAST_RUNS, min(RUNS, ENOUGH_NS // max(1, min(self._times))))
        if len(self._times) < 2 * self._runs:
            return
        halves = self._times[: self._runs], self._times[self._runs :]
        uncounted = int(UNCOUNTED * self._runs)
        together, alone = (_typical(half[uncounted:]) for half in halves)
        helped = together < GAIN * alone
        loss = self._runs * abs(together - alone)
        if helped:
            self._chosen, rest, once = self._ways[0], REST_NS, together
        else:
            self._chosen, rest, once = self._ways[1], REST_ALONE_NS, alone
        self._rest = max(rest, REST_PER_LOSS * loss) // max(once, 1)
        self._times.clear()


def _typical(times: list[int]) -> int:
    """Of undisturbed runs."""
    return sorted(times)[len(times) // 4]
