"""Something that gives a trace of the time between its start and its stop; here, a sensor sampled by a thread."""

from __future__ import annotations

import ctypes
import os
import threading
import time
from typing import Final, Protocol

import numpy as np

from ..sensors.proof import Proof
from ..sensors.source import Facts, ReadError, Sensor, SensorError
from ..sensors.trace import Trace

USUAL_RATE: Final = 100.0
"""Samples a second where the sensor is fast enough and nothing else is asked for."""
MOST_FAILURES: Final = 0.1
"""Of all readings; a sensor that fails more often is not trusted."""
PAUSE: Final = 0.1
"""Seconds after which a slow sensor's thread looks whether it shall stop."""


PR_SET_TIMERSLACK: Final = 29


def _wait_precisely() -> None:
    """Lets this thread's waits end when they are over instead of 50 us later, on Linux: a thread that waits for
    Python's interpreter asks for it only once it has waited in vain, and a load that lets go of it for a moment, and so
    begins that wait anew, every few microseconds would never let it in."""
    prctl = getattr(ctypes.CDLL(None), "prctl", None) if os.name == "posix" else None
    if prctl is not None:
        prctl(PR_SET_TIMERSLACK, 1, 0, 0, 0)


class Recorder(Protocol):
    """facts: of what is recorded. rate: samples a second, as planned. failures: readings that gave no number. missed:
    readings that would have come too late and were left out. cost: seconds of CPU time that a reading takes, None
    where not known. Times are those of the monotonic clock."""

    facts: Facts
    rate: float
    failures: int
    missed: int
    cost: float | None

    def start(self) -> None: ...

    def stop(self) -> Trace:
        """Everything since the start. SensorError where that is too little to be a measurement."""

    def close(self) -> None: ...


class SensorRecorder:
    """Reads a sensor at a fixed rate in a thread of its own.

    rate: samples a second that are asked for; never more than the proof allows.
    """

    def __init__(self, sensor: Sensor, proof: Proof, rate: float | None = None) -> None:
        self.facts = sensor.facts
        self.rate = min(rate or USUAL_RATE, proof.rate)
        self.cost: float | None = proof.cpu_seconds
        self.failures = self.missed = 0
        self._sensor = sensor
        self._samples: list[tuple[float, float, bool]] = []
        self._stopping = False
        self._thread = threading.Thread(target=self._sample, name="power sampling", daemon=True)
        self._problem: BaseException | None = None

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> Trace:
        self._end()
        if self._problem is not None:
            raise self._problem
        taken = len(self._samples)
        if self.failures > MOST_FAILURES * (taken + self.failures):
            raise SensorError(f"{self.facts.name} gave no number {self.failures} times of {taken + self.failures}")
        if taken < 2:
            raise SensorError(f"{self.facts.name} was read {taken} times: too short a time for its {self.rate:g} Hz")
        times, values, lost = np.array(self._samples, np.float64).T
        if self.facts.quantity == "energy":
            return Trace.of_energy(times, values, lost.astype(bool))
        return Trace.of_power(times, values)

    def close(self) -> None:
        self._end()
        self._sensor.close()

    def _end(self) -> None:
        self._stopping = True
        if self._thread.ident is not None:
            self._thread.join()

    def _sample(self) -> None:
        _wait_precisely()
        try:
            self._loop()
        except BaseException as error:
            self._problem = error

    def _loop(self) -> None:
        # Whatever else this does takes several times as long as the reading, as a thread that slept finds its caches
        # full of others' things.
        sensor, keep, now = self._sensor, self._samples.append, time.monotonic
        read, period, lost = sensor.read, 1 / self.rate, sensor.lost
        due = now()
        while not self._stopping:
            before = now()
            try:
                value = read()
            except (ReadError, OSError):
                self.failures += 1
                after = now()
            else:
                after = now()
                # A number is what the sensor saw at some moment of the reading.
                keep(((before + after) / 2, value, sensor.lost != lost))
                lost = sensor.lost
            due += period
            if after > due:
                skipped = int((after - due) / period) + 1
                self.missed += skipped
                due += skipped * period
            self._pause(due - after)

    def _pause(self, seconds: float) -> None:
        # Waiting for an event instead takes twice the CPU time.
        while seconds > PAUSE and not self._stopping:
            time.sleep(PAUSE)
            seconds -= PAUSE
        if not self._stopping:
            time.sleep(seconds)
