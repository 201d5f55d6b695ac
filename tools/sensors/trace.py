"""Energy over time, from whatever measured it, and how much of it a window holds."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np

GAP: Final = 3.5
"""An interval is a gap where it is longer than so many usual ones: what happened meanwhile was not seen."""
SNAP: Final = 1e-3
"""Of an interval: edges of a window so near to a sample's time are that sample's."""
VALUES: Final = 8
"""Different powers that a trace needs, for their distances to say something of the meter's steps."""


@dataclass(frozen=True)
class Part:
    """What a trace says of one window.

    joules: energy in it. seconds: how long it is. samples: intervals that lie in it whole and are known. unseen:
    seconds of it in gaps or outside of the trace, for which the power beside them was taken.
    """

    joules: float
    seconds: float
    samples: int
    unseen: float

    @property
    def watts(self) -> float:
        return self.joules / self.seconds


@dataclass(frozen=True)
class Trace:
    """times: float64 (n,), seconds, growing. joules: float64 (n - 1,), the energy between two times. lost: bool
    (n - 1,), where it is not known."""

    times: np.ndarray
    joules: np.ndarray
    lost: np.ndarray

    @classmethod
    def of_power(cls, times: np.ndarray, watts: np.ndarray) -> Trace:
        """From power at each time, by the trapezoid rule; an interval much longer than the others is lost. Samples out
        of order in time are sorted, and of several at the same time the last counts."""
        times, watts = _in_order(times, watts)
        steps = np.diff(times)
        return cls(times, steps * (watts[1:] + watts[:-1]) / 2, _gaps(steps))

    @classmethod
    def of_energy(cls, times: np.ndarray, joules: np.ndarray, lost: np.ndarray | None = None) -> Trace:
        """From an energy that accumulates, in order as `of_power`. Where it falls, or at the times where lost (bool
        (n,)) says so, the energy since the time before is not known. A long interval is no gap: the meter went on."""
        times, joules, marks = _in_order(times, joules, np.zeros(len(times), bool) if lost is None else lost)
        steps = np.diff(joules)
        unknown = (steps < 0) | marks[1:]
        return cls(times, np.where(unknown, 0.0, steps), unknown)

    @classmethod
    def of_bins(cls, rate: float, joules: np.ndarray) -> Trace:
        """From the energy in each of consecutive intervals of 1 / rate seconds, the first of which begins at 0."""
        return cls(np.arange(len(joules) + 1) / rate, np.asarray(joules, np.float64), np.zeros(len(joules), bool))

    @cached_property
    def period(self) -> float:
        """Seconds of a usual interval."""
        return float(np.median(np.diff(self.times)))

    @cached_property
    def watts(self) -> np.ndarray:
        """Mean power in each interval, float64 (n - 1,); NaN where it is not known."""
        return np.where(self.lost, np.nan, self.joules / np.diff(self.times))

    @property
    def step(self) -> float:
        """The smallest difference between two powers that occurs, in watts; 0 where there are too few to tell."""
        values = np.unique(self.watts[~self.lost])
        if len(values) < VALUES:
            return 0.0
        steps = np.diff(values)
        steps = steps[steps > 1e-9 * max(1e-30, float(np.abs(values).max(initial=0.0)))]
        return float(steps.min(initial=np.inf)) if len(steps) else 0.0

    def known(self, start: float, end: float) -> np.ndarray:
        """Indices of the known intervals that lie whole in a window."""
        slack = SNAP * self.period
        first = int(np.searchsorted(self.times, start - slack))
        last = int(np.searchsorted(self.times, end + slack, side="right")) - 1
        inside = np.arange(first, max(first, last))
        return inside[~self.lost[inside]]

    def part(self, start: float, end: float) -> Part:
        """The energy between two times.

        What lies whole in the window is added up; for the rest of it, at its edges and in gaps, the power is that of
        the known interval nearest inside. What happens across an edge, where a load begins or ends, belongs to neither
        side. A window without any whole interval gets the power of the one that it lies in.
        """
        inside = self.known(start, end)
        if not len(inside):
            around = min(max(0, int(np.searchsorted(self.times, start, side="right")) - 1), len(self.joules) - 1)
            watts = self.watts[around]
            return Part(float(watts * (end - start)), end - start, 0, end - start)
        edges = np.concatenate([self.times[inside], [self.times[inside[-1] + 1]]])
        spans = np.diff(self.times)[inside]
        powers = self.joules[inside] / spans
        slack = SNAP * self.period
        head, tail = edges[0] - start, end - edges[-1]
        joules = self.joules[inside].sum()
        # Not for a rounding error's worth of time.
        joules += (head if abs(head) > slack else 0.0) * powers[0] + (tail if abs(tail) > slack else 0.0) * powers[-1]
        holes = edges[1:-1] - (self.times[inside[:-1] + 1])
        joules += (holes * (powers[1:] + powers[:-1]) / 2).sum()
        return Part(float(joules), end - start, len(inside), self._unseen(start, end))

    def _unseen(self, start: float, end: float) -> float:
        lost = np.flatnonzero(self.lost)
        gone = np.minimum(self.times[lost + 1], end) - np.maximum(self.times[lost], start)
        outside = max(0.0, self.times[0] - start) + max(0.0, end - self.times[-1])
        return float(gone.clip(0).sum() + outside)


def _in_order(times: np.ndarray, *values: np.ndarray) -> list[np.ndarray]:
    times = np.asarray(times, np.float64)
    order: np.ndarray | slice = slice(None)
    if (np.diff(times) <= 0).any():
        sorting = np.argsort(times, kind="stable")
        order = sorting[np.append(np.diff(times[sorting]) > 0, True)]
    return [np.asarray(each)[order] for each in (times, *values)]


def _gaps(steps: np.ndarray) -> np.ndarray:
    return steps > GAP * np.median(steps) if len(steps) else np.zeros(0, bool)
