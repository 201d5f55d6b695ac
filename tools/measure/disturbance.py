"""What other programs do to the CPUs while something is measured."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Final, NamedTuple

STAT: Final = Path("/proc/stat")
TASKS: Final = Path("/proc/self/task")
NOTICED: Final = 0.1
"""CPUs that others keep busy, from which on a measurement should say so."""
IDLE: Final = (3, 4)
"""Places of idle and iowait among the numbers of a line; guests' times, from the ninth on, are in user's already."""
COUNTED: Final = 8
WAITED: Final = 0.02
"""Of the time that is measured: waiting so long for a CPU should be said."""


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


class Meddling(NamedTuple):
    """others: CPUs that others kept busy. preempted: how often the system took a CPU away from this process. waited:
    seconds that its threads were ready and had none. None where not known. seconds: it is about."""

    others: float | None
    preempted: int | None
    waited: float | None
    seconds: float

    def sentences(self) -> list[str]:
        found = []
        if self.others is not None and self.others > NOTICED:
            found.append(f"other programs kept {self.others:.1f} CPUs busy meanwhile: times are longer and less even")
        if self.waited is not None and self.waited > WAITED * self.seconds:
            often = "" if not self.preempted else f", {self.preempted} times in the midst of work"
            found.append(
                f"this process waited {self.waited / self.seconds:.0%} of the time for a CPU that another had{often}"
            )
        return found


class Watch:
    """What others do to this process, from its making on. stat, tasks: Linux's files, for tests."""

    def __init__(self, stat: Path = STAT, tasks: Path = TASKS) -> None:
        self._others, self._tasks = Others(stat), tasks
        self._began = time.monotonic()
        self._preempted, self._waited = _preempted(), _waited(tasks)

    def end(self) -> Meddling:
        taken, waited = _preempted(), _waited(self._tasks)
        return Meddling(
            self._others.cpus(),
            None if taken is None or self._preempted is None else taken - self._preempted,
            None if waited is None or self._waited is None else max(0.0, waited - self._waited),
            time.monotonic() - self._began,
        )


def _preempted() -> int | None:
    try:
        import resource
    except ImportError:  # not on Windows
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_nivcsw


def _waited(tasks: Path) -> float | None:
    """Seconds that all threads together were ready and had no CPU: the second number of their schedstat, in ns."""
    numbers = [number for file in tasks.glob("*/schedstat") if (number := _waited_ns(file)) is not None]
    return sum(numbers) * 1e-9 if numbers else None


def _waited_ns(file: Path) -> int | None:
    """None where the thread has just ended, or Linux was built without it."""
    try:
        return int(file.read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return None
