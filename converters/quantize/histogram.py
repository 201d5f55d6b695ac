"""How often a tensor's numbers occur, counted in constant memory, however many there are and however large they get."""

from __future__ import annotations

import numpy as np

HALF = 4096
"""Bins on each side of zero."""


class Histogram:
    """Counts of bins of one width around zero. Where a number lies beyond them, the width doubles until it does not,
    pairs of bins becoming one; so the bins that the largest number leaves unused are half of them at most.

    low, high: exactly the least and the largest number. count: how many there were.
    """

    def __init__(self) -> None:
        self.counts = np.zeros(2 * HALF, np.int64)
        self.reach = 0.0
        self.low, self.high = np.inf, -np.inf
        self.count = 0

    def add(self, numbers: np.ndarray) -> bool:
        """Counts floats. False, and nothing is counted, where one is infinite or NaN."""
        if not numbers.size:
            return True
        low, high = float(numbers.min()), float(numbers.max())
        if not np.isfinite(low) or not np.isfinite(high):
            return False
        self.low, self.high = min(self.low, low), max(self.high, high)
        self.count += numbers.size
        # The least reach for which bins to a unit are a float32.
        self._widen(max(-low, high, HALF * float(np.finfo(np.float32).tiny)))
        places = (numbers.reshape(-1) * np.float32(HALF / self.reach)).astype(np.int32)
        # Truncation rounds towards zero; numbers below it belong one bin lower.
        places[numbers.reshape(-1) < 0] -= 1
        places += HALF
        np.clip(places, 0, 2 * HALF - 1, out=places)
        self.counts += np.bincount(places, minlength=2 * HALF)
        return True

    def _widen(self, largest: float) -> None:
        if not self.reach:
            self.reach = float(2.0 ** np.ceil(np.log2(largest)))
        while self.reach < largest:
            pairs = self.counts.reshape(-1, 2).sum(1)
            self.counts = np.zeros_like(self.counts)
            self.counts[HALF // 2 : HALF // 2 + HALF] = pairs
            self.reach *= 2

    @property
    def width(self) -> float:
        """Of one bin."""
        return self.reach / HALF

    def filled(self) -> tuple[np.ndarray, np.ndarray]:
        """The middles of the bins that hold something, as float64, and their counts."""
        places = np.flatnonzero(self.counts)
        middles = (places - HALF + 0.5) * self.width
        return np.clip(middles, self.low, self.high), self.counts[places]
