"""Costs of a kind of kernel from timings of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import msgspec
import numpy as np

from ...device_profiles import KernelCost

FEW = 12
"""Of fewer timings than that only what every kernel has is told apart."""
COMMON = ("compute", "chunk_ns", "call_ns")
SHORT = 0.3e-6
"""Seconds below which an error counts as one of so many seconds: what is left is mostly that of the clock."""
USUAL = 0.1
"""A relative error beyond which a timing counts less: it was disturbed, or is of what no cost describes."""
ROUNDS = 4


@dataclass(frozen=True)
class Timing:
    """One step that was timed. amounts: what each cost is multiplied by, seconds, as latency.features gives them."""

    kind: str
    amounts: KernelCost
    seconds: float


def fit(timings: Sequence[Timing]) -> KernelCost:
    """The costs, none of them negative, with the least squared relative error of all timings of one kind of kernel."""
    seconds = np.array([timing.seconds for timing in timings])
    amounts = np.array([msgspec.structs.astuple(timing.amounts) for timing in timings])
    names = KernelCost.__struct_fields__
    known = [at for at, name in enumerate(names) if len(timings) >= FEW or name in COMMON]
    known = [at for at in known if amounts[:, at].any()]
    weight = 1 / np.maximum(seconds, SHORT)
    for _ in range(ROUNDS):
        found = _least_squares(amounts * weight[:, None], seconds * weight, known)
        error = abs(amounts @ found - seconds) / np.maximum(seconds, SHORT)
        weight = 1 / np.maximum(seconds, SHORT) / np.sqrt(np.maximum(1, error / USUAL))
    return KernelCost(**dict(zip(names, found.tolist(), strict=True)))


def _least_squares(columns: np.ndarray, wanted: np.ndarray, known: Sequence[int]) -> np.ndarray:
    """x >= 0, zero but for the known columns, with the least |columns @ x - wanted|: the best of all subsets of columns
    whose solution is not negative. (One of them is the solution: Lawson and Hanson 1974, chapter 23.)"""
    best, least = np.zeros(columns.shape[1]), np.inf
    for count in range(1, min(len(known), len(wanted)) + 1):
        for chosen in combinations(known, count):
            part = columns[:, chosen]
            found, *_ = np.linalg.lstsq(part, wanted, rcond=None)
            error = float(((part @ found - wanted) ** 2).sum())
            if (found >= 0).all() and error < least - 1e-12:
                best, least = np.zeros(columns.shape[1]), error
                best[list(chosen)] = found
    return best
