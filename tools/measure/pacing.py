"""Inferences at a rate, with rest between them."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, NamedTuple

LATE: Final = 1e-3
"""Seconds after its time that an inference may begin, which a sleep may take longer than it should."""


class Paced(NamedTuple):
    """start, end: of the monotonic clock; the end is where the next inference would begin. seconds: of each inference.
    late: how many began late, as the one before took too long or another program had the CPU."""

    start: float
    end: float
    seconds: list[float]
    late: int


def paced(invoke: Callable[[], object], count: int, rate: float) -> Paced:
    """As long as so many inferences should take, or longer where they do not fit."""
    start = time.monotonic()
    seconds, late = [], 0
    for index in range(count):
        began = time.monotonic()
        late += began - start > index / rate + LATE
        invoke()
        ended = time.monotonic()
        seconds.append(ended - began)
        left = start + (index + 1) / rate - ended
        if left > 0:
            time.sleep(left)
    return Paced(start, time.monotonic(), seconds, late)
