"""Power over time, short enough for a file that people open."""

from __future__ import annotations

import numpy as np

from ..report.energy_run import MOST_POINTS, Points
from ..sensors.trace import Trace


def shorten(trace: Trace, start: float, most: int = MOST_POINTS) -> Points:
    """Mean power between times that count from start; neighbours are added up until there are no more than most. A
    stretch is known where all of it is."""
    count = len(trace.joules)
    cuts = np.arange(0, count, -(-count // most))
    seconds = np.add.reduceat(np.diff(trace.times), cuts)
    watts = np.add.reduceat(trace.joules, cuts) / seconds
    lost = np.logical_or.reduceat(trace.lost, cuts)
    times = np.append(trace.times[cuts], trace.times[-1]) - start
    return Points(
        seconds=[round(float(each), 6) for each in times],
        watts=[None if gone else float(f"{each:.6g}") for each, gone in zip(watts, lost, strict=True)],
    )
