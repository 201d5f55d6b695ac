"""Rounds in which all contenders take turns, until the first one's median is known well."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np

from ...runtime.system.collection import no_collection
from ..measure.statistics import differs, interval, precision, ratio_interval
from ..measure.timing import SETTLE, Contender, measure_round, summary, warm_up
from ..report.bench_run import Paired, Stability
from ..report.run_parts import MOST_SAMPLES, Latency

LEAST_ROUNDS: Final = 5
MOST_ROUNDS: Final = 20
WARM_UP: Final = 0.2
CPU_SECONDS: Final = 0.1
"""That CPU time is counted for, of each contender."""
Round = Mapping[str, np.ndarray]


@dataclass(frozen=True)
class Timed:
    """rounds: seconds of each call by contender, in the order of the contenders. cpu: CPU time of one call."""

    rounds: list[Round]
    cpu: dict[str, float]
    wanted: float

    @property
    def names(self) -> list[str]:
        return list(self.rounds[0])

    def medians(self, name: str) -> list[float]:
        return [float(np.median(found[name])) for found in self.rounds]

    def stability(self) -> Stability:
        return stability(self.medians(self.names[0]), self.wanted)

    def latency(self, name: str, kind: Literal["ours", "peer"]) -> Latency:
        samples, medians = np.concatenate([found[name] for found in self.rounds]), self.medians(name)
        found = summary(samples)
        return Latency(
            name=name, kind=kind, median=found["median"], p90=found["p90"], p99=found["p99"], min=found["min"],
            mean=found["mean"], calls=len(samples), interval=interval(medians, 0.0), round_medians=medians,
            samples=thinned(samples), cpu_s=self.cpu.get(name),
        )  # fmt: skip

    def paired(self, name: str) -> Paired:
        """Against the first contender."""
        first, other = self.medians(self.names[0]), self.medians(name)
        ratios = [theirs / ours for theirs, ours in zip(other, first, strict=True)]
        found = ratio_interval(ratios)
        return Paired(
            name=name, ratio=found, median=float(np.median(ratios)), round_ratios=ratios, differs=differs(found)
        )


def measure_rounds(
    contenders: Sequence[Contender], seconds: float, threads: int, rounds: int | None, wanted: float
) -> Timed:
    """seconds: of each contender in each round. rounds: so many; None for as many as it takes until the first one's
    median is known within wanted (0.01 is 1 %), with a confidence of 95 %, or MOST_ROUNDS."""
    for contender in contenders:
        warm_up(contender, min(WARM_UP, seconds))
    settle = SETTLE if threads > 1 and len(contenders) > 1 else 0.0
    found: list[Round] = []
    first = contenders[0].name
    while len(found) < (rounds or MOST_ROUNDS):
        found.append(measure_round(contenders, seconds, settle))
        medians = [float(np.median(each[first])) for each in found]
        if rounds is None and len(found) >= LEAST_ROUNDS and stability(medians, wanted).stable:
            break
    return Timed(found, {each.name: cpu_seconds(each, min(CPU_SECONDS, seconds)) for each in contenders}, wanted)


def stability(medians: Sequence[float], wanted: float) -> Stability:
    found = precision(interval(medians, 0.0))
    return Stability(
        stable=None if found is None else found <= wanted, precision=found, wanted=wanted, rounds=len(medians)
    )


def cpu_seconds(contender: Contender, seconds: float) -> float:
    """CPU time of one call, all threads together; putting the inputs in place is in it."""
    count = 0
    with no_collection():
        until, began = time.perf_counter() + seconds, time.process_time()
        while not count or time.perf_counter() < until:
            contender.feed()
            contender.invoke()
            count += 1
        return (time.process_time() - began) / count


def thinned(samples: np.ndarray, most: int = MOST_SAMPLES) -> list[float]:
    """Every so many-th, so that no more than most are left; to the nanosecond."""
    return [round(float(each), 9) for each in samples[:: -(-len(samples) // most)]]
