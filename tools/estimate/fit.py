"""Costs of a kind of kernel from timings of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from ...device_profiles import KernelCost


@dataclass(frozen=True)
class Timing:
    """One step that was timed. ideal: seconds of its loops as estimated."""

    kernel: str
    ideal: float
    chunks: int
    seconds: float


def fit(timings: Sequence[Timing]) -> KernelCost:
    """The costs, none of them negative, with the least squared relative error of all timings of one kind of kernel."""
    seconds = np.array([timing.seconds for timing in timings])
    columns = np.array([[timing.ideal, 1e-9 * timing.chunks, 1e-9] for timing in timings]) / seconds[:, None]
    best, least = np.array([1.0, 0.0, 0.0]), np.inf
    for count in (1, 2, 3):
        for chosen in combinations(range(3), count):
            if count > len(timings):
                continue
            part = columns[:, chosen]
            found, *_ = np.linalg.lstsq(part, np.ones(len(timings)), rcond=None)
            error = float(((part @ found - 1) ** 2).sum())
            if (found >= 0).all() and error < least - 1e-12:
                best, least = np.zeros(3), error
                best[list(chosen)] = found
    return KernelCost(compute=float(best[0]), chunk_ns=float(best[1]), call_ns=float(best[2]))


def predicted(timing: Timing, cost: KernelCost) -> float:
    return cost.compute * timing.ideal + 1e-9 * (cost.chunk_ns * timing.chunks + cost.call_ns)
