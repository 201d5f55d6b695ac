"""A trace of what another program writes while a meter measures: a pipe, or a file that grows."""

from __future__ import annotations

import os
import select
import stat
import threading
import time
from typing import Final

import numpy as np

from ..sensors.recordings.beginning import Beginning
from ..sensors.recordings.format import BinaryFormat, Reader, Sample, Settings, TextFormat
from ..sensors.recordings.registry import find_format, to_trace
from ..sensors.source import Facts, SensorError
from ..sensors.trace import Trace

POLL: Final = 0.02
"""Seconds between two looks at a file that grows."""
PATIENCE: Final = 5.0
"""Seconds that the first two samples may take."""
LINE: Final = 1 << 16


class StreamRecorder:
    """Rows in one of the formats of `sensors/recordings`, from now on.

    A meter's own clock tells how far apart its rows are, as their times or as what its format counts instead; when they
    were, on the monotonic clock, is told by the row that came in with the least delay. Rows of which no clock says
    anything have the time at which they come in.
    """

    failures = missed = 0
    cost: float | None = None

    def __init__(self, format: str, path: str, settings: Settings) -> None:
        found = find_format(format)
        if isinstance(found, BinaryFormat):
            raise SensorError(f"--source {format}:{path}: such files are whole when they are done: use --replay")
        self._format: TextFormat = found
        self._beginning = Beginning(found, settings)
        self._reader: Reader | None = None
        self._rows: list[tuple[float, Sample]] = []
        self._rest = b""
        self._problem: BaseException | None = None
        self._stopping = threading.Event()
        try:
            self._file = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise SensorError(f"cannot read {path}: {error.strerror}") from None
        self._grows = stat.S_ISREG(os.fstat(self._file).st_mode)
        self._thread = threading.Thread(target=self._follow, name="power stream", daemon=True)
        try:
            self._begin(path)
        except BaseException:
            os.close(self._file)
            raise
        self.facts = Facts(
            name=f"{format}:{path}",
            what="what the meter feeds",
            quantity="power",
            whole=True,
            resolution=0.0,
            fastest=self.rate,
        )

    def start(self) -> None:
        self._rows.clear()
        self._thread.start()

    def stop(self) -> Trace:
        self._end()
        if self._problem is not None:
            raise self._problem
        if len(self._rows) < 2:
            raise SensorError(f"{self.facts.name}: {len(self._rows)} rows came in while it was measured")
        assert self._reader is not None
        arrivals = np.array([arrival for arrival, _ in self._rows])
        own = self._own_times()
        known = ~np.isnan(own)
        times = np.where(known, own + (arrivals - own)[known].min(initial=np.inf), arrivals)
        samples = np.array([row for _, row in self._rows], np.float64)
        samples[:, Sample._fields.index("time")] = times
        return to_trace(self._format, self._reader, samples)

    def close(self) -> None:
        self._end()
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _begin(self, path: str) -> None:
        """Goes to the end of what is there, as far as that is known, and waits for two rows: that is the proof."""
        self._take()
        self._rows.clear()
        until = time.monotonic() + PATIENCE
        while len(self._rows) < 2 or self._rows[-1][0] <= self._rows[0][0]:
            self._take()
            if time.monotonic() > until:
                raise SensorError(
                    f"{path}: {len(self._rows)} samples ({self._format.title}) came in {PATIENCE:g} s: is the meter's "
                    "program writing there, without keeping lines back?"
                )
            self._wait()
        own, arrived = np.ptp(self._own_times()), self._rows[-1][0] - self._rows[0][0]
        self.rate = (len(self._rows) - 1) / float(own if own > 0 else arrived)

    def _own_times(self) -> np.ndarray:
        """Of the rows, by the meter's clock; NaN where it has none."""
        times = np.array([row.time for _, row in self._rows])
        count = getattr(self._reader, "times", None)
        if count is None or not np.isnan(times).any():
            return times
        try:
            counted: np.ndarray = count()[-len(times) :]
        except SensorError:
            return times
        return counted

    def _end(self) -> None:
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()

    def _follow(self) -> None:
        try:
            while not self._stopping.is_set():
                self._take()
                self._wait()
            self._take()
        except BaseException as error:
            self._problem = error

    def _wait(self) -> None:
        if self._grows:
            self._stopping.wait(POLL)
        elif not select.select([self._file], [], [], POLL)[0]:
            return

    def _take(self) -> None:
        """The lines that are there."""
        while True:
            try:
                data = os.read(self._file, LINE)
            except BlockingIOError:
                return
            arrival = time.monotonic()
            if not data:
                if not self._grows:
                    # A pipe whose writer has not come yet, or has gone.
                    time.sleep(POLL)
                return
            *lines, self._rest = (self._rest + data).split(b"\n")
            for line in lines:
                self._line(arrival, line.decode(errors="replace"))

    def _line(self, arrival: float, line: str) -> None:
        if not line.strip():
            return
        if self._reader is None:
            self._reader = self._beginning.look(line.lstrip("\ufeff"))
            if self._reader is None:
                return
        row = self._reader.read(line)
        if row is not None:
            self._rows.append((arrival, row))
