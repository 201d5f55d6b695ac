"""The course of a measurement: rest, load, rest, load, ..., rest, with a recorder beside it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final

from ..measure.disturbance import Meddling, Watch
from ..sensors.trace import Trace
from .load import Window, load, rest
from .recorder import Recorder

USUAL_SECONDS: Final = 10.0
"""Of load, in all."""
SAMPLES: Final = 10
"""That a window of load should hold; with a slow sensor windows are longer."""
REST: Final = 0.5
"""Seconds of rest before and after each window of load, for each of its own."""
SETTLE: Final = 0.2
"""Seconds after a load in which clocks and regulators settle, which are not counted as idle; at most a quarter."""
SWITCH: Final = 1e-5
"""Seconds after which the thread that samples is let in."""


@dataclass(frozen=True)
class Plan:
    """rounds: windows of load for each way of an inference. seconds: of each. rate: inferences a second, None for as
    many as there can be. ways: how many there are."""

    rounds: int
    seconds: float
    rate: float | None = None
    ways: int = 1

    @classmethod
    def choose(
        cls, rounds: int, duration: float | None, rate: float | None, samples_a_second: float, ways: int = 1
    ) -> Plan:
        """duration: seconds of load in all; None for what is usual, or more where the sensor is slow or there are
        several ways."""
        if duration is None:
            duration = max(USUAL_SECONDS, rounds * SAMPLES / samples_a_second) * ways
        return cls(rounds, duration / rounds / ways, rate, ways)

    @property
    def total(self) -> float:
        """Seconds from the first rest to the last, about."""
        return self.rounds * self.ways * self.seconds * (1 + REST) + self.seconds * REST


@dataclass(frozen=True)
class Measured:
    """loads: the windows of load. idles: those of rest, one more, without the time in which things settle. meddling:
    what other programs did meanwhile, None where nobody watched."""

    trace: Trace
    loads: list[Window]
    idles: list[Window]
    meddling: Meddling | None = None


def measure(recorder: Recorder, ways: Sequence[Callable[[], object]], plan: Plan) -> Measured:
    """Runs the plan. ways: one inference of each, warm; they take turns. Raises SensorError where the recorder's trace
    is no measurement."""
    loads: list[Window] = []
    with _prompt_threads():
        watch = Watch()
        recorder.start()
        # So that the first and the last window have a sample on either side.
        margin = 1.5 / recorder.rate
        time.sleep(margin)
        idles = [_idle(plan)]
        for way, invoke in list(enumerate(ways)) * plan.rounds:
            loads.append(replace(load(invoke, plan.seconds, plan.rate), way=way))
            idles.append(_idle(plan))
        time.sleep(margin)
        return Measured(recorder.stop(), loads, idles, watch.end())


@contextmanager
def _prompt_threads() -> Iterator[None]:
    """Python lets a thread wait for another that computes in Python, NumPy's steps for one, and a reading does so at
    every file: by default for 5 ms each time."""
    usual = sys.getswitchinterval()
    sys.setswitchinterval(SWITCH)
    try:
        yield
    finally:
        sys.setswitchinterval(usual)


def _idle(plan: Plan) -> Window:
    whole = rest(plan.seconds * REST)
    return Window(whole.start + min(SETTLE, whole.seconds / 4), whole.end)
