"""Measures how long things take, beside each other, so that what disturbs one disturbs all."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Protocol

import numpy as np

from ...runtime.system.collection import no_collection

SLICES = 8
"""Turns that each contender has in a round, where calls are short enough."""
SETTLE = 0.02
"""Seconds of rest before a turn where there are several threads: the other side's spin before they sleep. Beside peers,
fastestdet by two threads took 5.7 ms after 4 ms of rest, and 2.2 ms after 20 ms, as it does alone."""


class Contender(Protocol):
    """Something to time. `feed` puts the inputs in place, outside of what is measured."""

    name: str

    def feed(self) -> None: ...

    def invoke(self) -> None: ...


def warm_up(contender: Contender, seconds: float, least: int = 5) -> None:
    until, count = time.perf_counter() + seconds, 0
    while count < least or time.perf_counter() < until:
        contender.feed()
        contender.invoke()
        count += 1


def measure_round(
    contenders: Sequence[Contender], seconds: float, settle: float = 0.0, slices: int = SLICES
) -> dict[str, np.ndarray]:
    """Seconds per call of each contender, by name, over about `seconds` each, in short turns one after another."""
    samples: dict[str, list[int]] = {contender.name: [] for contender in contenders}
    with no_collection():
        for _ in range(slices):
            for contender in contenders:
                if settle:
                    time.sleep(settle)
                # The first call after another's turn finds cold caches.
                _call(contender)
                samples[contender.name] += _turn(contender, seconds / slices)
    return {name: np.array(found) * 1e-9 for name, found in samples.items()}


def summary(samples: np.ndarray) -> dict[str, float]:
    """Seconds: median, p90, p99, min and mean; and how many calls they are from."""
    median, p90, p99 = np.percentile(samples, (50, 90, 99))
    return {
        "median": float(median),
        "p90": float(p90),
        "p99": float(p99),
        "min": float(samples.min()),
        "mean": float(samples.mean()),
        "calls": len(samples),
    }


def _turn(contender: Contender, seconds: float) -> list[int]:
    found: list[int] = []
    until = time.perf_counter_ns() + int(seconds * 1e9)
    while not found or time.perf_counter_ns() < until:
        found.append(_call(contender))
    return found


def _call(contender: Contender) -> int:
    contender.feed()
    began = time.perf_counter_ns()
    contender.invoke()
    return time.perf_counter_ns() - began
