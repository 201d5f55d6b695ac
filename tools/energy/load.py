"""Windows of load, in which inferences are counted, and of rest."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

from ...runtime.system.collection import no_collection
from ..measure.pacing import paced


@dataclass(frozen=True)
class Window:
    """Between two times of the monotonic clock. inferences: how many were run. busy: seconds within them. way: which of
    several kinds of inference they are."""

    start: float
    end: float
    inferences: int = 0
    busy: float = 0.0
    way: int = 0

    @property
    def seconds(self) -> float:
        return self.end - self.start


def rest(seconds: float) -> Window:
    start = time.monotonic()
    time.sleep(seconds)
    return Window(start, time.monotonic())


def load(invoke: Callable[[], object], seconds: float, rate: float | None = None) -> Window:
    """Inferences one right after another for so long, or rate of them a second at even distances; one at least."""
    with no_collection():
        return _flat_out(invoke, seconds) if rate is None else _paced(invoke, max(1, round(seconds * rate)), rate)


def _flat_out(invoke: Callable[[], object], seconds: float) -> Window:
    start = now = time.monotonic()
    count = 0
    while not count or now < start + seconds:
        invoke()
        count += 1
        now = time.monotonic()
    return Window(start, now, count, now - start)


def _paced(invoke: Callable[[], object], count: int, rate: float) -> Window:
    found = paced(invoke, count, rate)
    return Window(found.start, found.end, count, math.fsum(found.seconds))
