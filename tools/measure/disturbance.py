"""What other programs do to the CPUs while something is measured."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Final

STAT: Final = Path("/proc/stat")
NOTICED: Final = 0.1
"""CPUs that others keep busy, from which on a measurement should say so."""
IDLE: Final = (3, 4)
"""Places of idle and iowait among the numbers of a line; guests' times, from the ninth on, are in user's already."""
COUNTED: Final = 8


class Others:
    """How busy others keep the CPUs, from its making on. stat: Linux's /proc/stat, for tests."""

    def __init__(self, stat: Path = STAT) -> None:
        self._stat = stat
        self._began = self._now()

    def cpus(self) -> float | None:
        """How many CPUs others kept busy on average, stolen time of virtual machines included; None where the system
        does not tell. Ticks are coarse: over less than a second it says little."""
        ended = self._now()
        if self._began is None or ended is None:
            return None
        whole, own, seconds = (after - before for after, before in zip(ended, self._began, strict=True))
        return max(0.0, whole - own) / seconds if seconds > 0 else None

    def _now(self) -> tuple[float, float, float] | None:
        """Seconds that all CPUs were busy, that this process was, and of the clock."""
        try:
            fields = self._stat.read_text().split("\n", 1)[0].split()
            ticks = [int(text) for text in fields[1 : COUNTED + 1]]
        except (OSError, ValueError):
            return None
        if fields[:1] != ["cpu"] or len(ticks) < len(IDLE) + 1:
            return None
        busy = sum(count for place, count in enumerate(ticks) if place not in IDLE)
        return busy / os.sysconf("SC_CLK_TCK"), time.process_time(), time.monotonic()
