"""Energy counters: numbers that grow until they wrap, and are sometimes reset."""

from __future__ import annotations

from typing import Final

MOST_WATTS: Final = 2000.0
"""No device measured here takes as much. An energy that would need more is a reset, and a time in which this could fill
the counter may hide a wrap."""
SLOWEST_UPDATE: Final = 0.1
"""Seconds that a counter may stand still and then grow at once by what was used meanwhile."""


class Counter:
    """Joules since the first reading, from a counter's readings in joules.

    limit: where the counter wraps to zero; None where that is not known, and then an energy across a wrap is unknown.
    lost: how many intervals had to be left out.
    """

    def __init__(self, limit: float | None, most_watts: float = MOST_WATTS) -> None:
        self._limit, self._most_watts = limit, most_watts
        self._last: tuple[float, float] | None = None
        self.total, self.lost = 0.0, 0

    def advance(self, joules: float, seconds: float) -> float:
        """The total after a reading at a time of the monotonic clock."""
        if self._last is not None:
            grown = self._growth(joules - self._last[0], seconds - self._last[1])
            if grown is None:
                self.lost += 1
            else:
                self.total += grown
        self._last = joules, seconds
        return self.total

    def _growth(self, step: float, seconds: float) -> float | None:
        if self._limit is not None:
            if self._most_watts * seconds >= self._limit:
                return None
            if step < 0:
                step += self._limit
        return step if 0 <= step <= self._most_watts * max(seconds, SLOWEST_UPDATE) else None
