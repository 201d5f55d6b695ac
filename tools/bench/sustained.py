"""Inferences one right after another for minutes: a device that gets warm is slower at the end."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import numpy as np

from ...runtime.system.collection import no_collection
from ..measure.device_state import read_state
from ..measure.timing import Contender
from ..report.bench_run import Minute

MINUTE: Final = 60.0
MOST_KEPT: Final = 100_000
"""Latencies of a minute that percentiles are taken of; of more, every so many-th."""
SCRAP: Final = 0.01
"""Of a minute: what is left beyond that gets a minute of its own."""
SLOWER: Final = 1.05
"""The last minute's median over the first's, from which on the model has got slower."""


def measure_sustained(
    contender: Contender,
    seconds: float,
    root: Path = Path("/"),
    minute: float = MINUTE,
    progress: Callable[[int], None] = lambda _: None,
) -> list[Minute]:
    """seconds: in all, the last minute maybe shorter. root: as of read_state. minute: seconds, for tests. progress: is
    told how many are done."""
    found: list[Minute] = []
    contender.feed()
    began = time.perf_counter()
    every = max(1, int(minute / max(_once(contender), 1e-7) / MOST_KEPT))
    while not found or found[-1].start_s + found[-1].seconds < seconds - SCRAP * minute:
        start = time.perf_counter()
        calls, kept = _run(contender, start + min(minute, seconds - (start - began)), every)
        median, p90, p99 = np.percentile(np.array(kept) * 1e-9, (50, 90, 99))
        found.append(
            Minute(
                start_s=start - began,
                seconds=time.perf_counter() - start,
                calls=calls,
                median=float(median),
                p90=float(p90),
                p99=float(p99),
                state=read_state(root),
            )
        )
        progress(len(found))
    return found


def slowdown(minutes: list[Minute]) -> float:
    """The last minute's median over the first's."""
    return minutes[-1].median / minutes[0].median


def _run(contender: Contender, until: float, every: int) -> tuple[int, list[int]]:
    """How many calls there were, one at least, and the nanoseconds of every so many-th."""
    kept, calls = [], 0
    with no_collection():
        while not calls or time.perf_counter() < until:
            contender.feed()
            began = time.perf_counter_ns()
            contender.invoke()
            if calls % every == 0:
                kept.append(time.perf_counter_ns() - began)
            calls += 1
    return calls, kept


def _once(contender: Contender) -> float:
    contender.invoke()
    began = time.perf_counter()
    contender.invoke()
    return time.perf_counter() - began
