"""A sensor proves that it gives numbers before anything is measured with it: many are there and stay silent or zero."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass
from statistics import median
from typing import Final

from .source import ReadError, Sensor, SensorError

READINGS: Final = 5
PATIENCE: Final = 0.5
"""Seconds that an energy may take to grow for the first time."""
SHARE: Final = 0.5
"""Of the time between two readings that reading may take."""


@dataclass(frozen=True)
class Proof:
    """What a sensor gave when it was tried.

    watts: a first value. seconds, cpu_seconds: what one reading takes, by the clock and of this process's CPU time.
    rate: readings a second beyond which it is not read, for its own sake or because reading takes long.
    """

    watts: float
    seconds: float
    cpu_seconds: float
    rate: float


def prove(sensor: Sensor) -> Proof:
    """SensorError where a reading fails or is no finite number, power is 0 throughout, or energy does not grow."""
    facts = sensor.facts
    values, spent = [], []
    cpu = time.process_time()
    try:
        for _ in range(READINGS):
            began = time.perf_counter()
            values.append(_read(sensor))
            spent.append(time.perf_counter() - began)
        cpu_seconds = (time.process_time() - cpu) / READINGS
        # A mean would have in it that another program had the CPU during one of them.
        seconds = median(spent)
        watts = _power_of_counter(sensor) if facts.quantity == "energy" else values[-1]
    except (ReadError, OSError) as error:
        raise SensorError(f"{facts.name} gives no numbers: {error}") from None
    if facts.quantity == "power" and not any(values):
        raise SensorError(f"{facts.name} reads 0 W every time: it does not measure")
    return Proof(watts, seconds, cpu_seconds, min(facts.fastest, SHARE / max(seconds, 1e-9)))


def _read(sensor: Sensor) -> float:
    value = sensor.read()
    if not math.isfinite(value):
        raise ReadError(f"{value} is no number")
    return value


def _power_of_counter(sensor: Sensor) -> float:
    """Watts over the time in which the counter grew."""
    first, began = _read(sensor), time.monotonic()
    while True:
        time.sleep(0.02)
        value, now = _read(sensor), time.monotonic()
        if value > first:
            return (value - first) / (now - began)
        if now - began > PATIENCE:
            raise ReadError(f"its energy does not grow in {PATIENCE:g} s")
