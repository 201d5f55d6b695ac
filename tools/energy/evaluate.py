"""From a trace and its windows to joules an inference, and how sure they are.

The energy of a window is the trace's integral over it, and that of an inference the window's divided by how many were
run in it: so a slow sensor measures short inferences, too. What is above idle is what is left without the mean power of
the rests before and after, times the window's length.

The uncertainty is the scatter of the windows (Student's t), and what all windows share: the sensor's steps, and that a
reading just after a window's edge may still be of the time before it. That the sensor itself is off by a factor is not
in it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, NamedTuple

from ..measure.disturbance import NOTICED
from ..measure.statistics import interval, mean
from ..report.energy_run import PerInference, Power
from ..sensors.source import Facts, SensorError
from ..sensors.trace import Part, Trace
from .load import Window
from .measure import Measured

MOST_UNSEEN: Final = 0.5
"""Of a window; beyond, its energy is a guess."""
UNSEEN: Final = 0.05
DRIFT: Final = 0.05
LATE: Final = 0.05
FEW: Final = 5


@dataclass(frozen=True)
class Figures:
    """What was found.

    loads, idles: parts of the windows of load and of rest. joules, above_idle: of all windows of load. ways: an
    inference of each way that it may go. per_inference: their mean, by shares. rate: inferences a second, so mixed.
    """

    loads: list[Part]
    idles: list[Part]
    joules: float
    above_idle: float
    ways: list[PerInference]
    per_inference: PerInference
    rate: float
    power: Power
    warnings: list[str]


class Load(NamedTuple):
    """A window of load with its part of the trace, and the joules of it that are above the rests around it."""

    window: Window
    part: Part
    above: float


def evaluate(measured: Measured, facts: Facts, rate: float | None = None, shares: Sequence[float] = (1.0,)) -> Figures:
    """rate: inferences a second that were asked for. shares: of the ways of an inference. SensorError where the sensor
    was silent for most of a window."""
    trace = measured.trace
    parts = [_part(trace, window) for window in measured.loads]
    idles = [_part(trace, window) for window in measured.idles]
    rests = [(before.watts + after.watts) / 2 for before, after in pairwise(idles)]
    loads = [
        Load(window, part, part.joules - watts * part.seconds)
        for window, part, watts in zip(measured.loads, parts, rests, strict=True)
    ]
    by_way = [[load for load in loads if load.window.way == way] for way in range(len(shares))]
    ways = [_per_inference(each, facts, trace) for each in by_way]
    seconds = math.fsum(part.seconds for part in parts) / len(parts)
    # Of one inference of the mixture, from the beginning of one to that of the next.
    mixed = math.fsum(share * _seconds(each) for share, each in zip(shares, by_way, strict=True))
    joules = math.fsum(share * _joules(each) for share, each in zip(shares, by_way, strict=True))
    figures = Figures(
        parts,
        idles,
        math.fsum(part.joules for part in parts),
        math.fsum(load.above for load in loads),
        ways,
        _mix(ways, shares),
        1 / mixed,
        Power(
            idle=interval([part.watts for part in idles], _steps(facts, trace, seconds) / seconds),
            mean=joules / mixed,
            peak=peak(trace, measured.loads),
        ),
        [],
    )
    figures.warnings.extend(_warnings(figures, measured, rate))
    return figures


def peak(trace: Trace, windows: list[Window]) -> float:
    """The highest power of any known interval of the windows; the mean where none lies in them whole."""
    values = [
        float(trace.watts[inside].max()) for window in windows if len(inside := trace.known(window.start, window.end))
    ]
    return max(values, default=max(trace.part(window.start, window.end).watts for window in windows))


def _part(trace: Trace, window: Window) -> Part:
    part = trace.part(window.start, window.end)
    if not math.isfinite(part.joules) or part.unseen > MOST_UNSEEN * part.seconds:
        raise SensorError(
            f"the sensor was silent for {part.unseen:.2f} s of a window of {part.seconds:.2f} s: use a longer "
            "--duration, or another source"
        )
    return part


def _per_inference(loads: Sequence[Load], facts: Facts, trace: Trace) -> PerInference:
    counts = [load.window.inferences for load in loads]
    whole = math.fsum(load.part.seconds for load in loads)
    steps = _steps(facts, trace, whole / len(loads))
    edges = abs(math.fsum(load.above for load in loads)) / whole / facts.fastest / math.sqrt(6)
    each = math.fsum(counts) / len(counts)
    return PerInference(
        total_mj=interval(
            [1e3 * load.part.joules / count for load, count in zip(loads, counts, strict=True)],
            1e3 * math.hypot(steps, edges) / each,
        ),
        above_idle_mj=interval(
            [1e3 * load.above / count for load, count in zip(loads, counts, strict=True)],
            1e3 * math.hypot(math.sqrt(2) * steps, edges) / each,
        ),
        seconds=math.fsum(load.window.busy for load in loads) / sum(counts),
    )


def _mix(ways: Sequence[PerInference], shares: Sequence[float]) -> PerInference:
    above = [way.above_idle_mj for way in ways if way.above_idle_mj is not None]
    return PerInference(
        total_mj=mean([way.total_mj for way in ways], shares),
        above_idle_mj=mean(above, shares),
        seconds=math.fsum(share * way.seconds for way, share in zip(ways, shares, strict=True)),
    )


def _seconds(loads: Sequence[Load]) -> float:
    return math.fsum(load.part.seconds for load in loads) / sum(load.window.inferences for load in loads)


def _joules(loads: Sequence[Load]) -> float:
    return math.fsum(load.part.joules for load in loads) / sum(load.window.inferences for load in loads)


def _steps(facts: Facts, trace: Trace, seconds: float) -> float:
    """The standard uncertainty of a window's joules that comes from the steps of the sensor's number."""
    if facts.quantity == "energy":
        return facts.resolution / math.sqrt(6)
    return max(facts.resolution, trace.step) / math.sqrt(12) * seconds


def _warnings(figures: Figures, measured: Measured, rate: float | None) -> list[str]:
    found = []
    unseen = sum(part.unseen for part in figures.loads) / sum(part.seconds for part in figures.loads)
    if unseen > UNSEEN:
        found.append(f"for {unseen:.0%} of the load no power is known; that beside it was taken")
    fewest = min(part.samples for part in figures.loads)
    if fewest < FEW:
        found.append(f"a window of load holds {fewest} samples: use a longer --duration")
    above = figures.per_inference.above_idle_mj
    if above is not None and above.low is not None and above.low <= 0:
        found.append("the load cannot be told from rest with this sensor: what is above idle may be nothing")
    others = None if measured.meddling is None else measured.meddling.others
    if others is not None and others > NOTICED:
        found.append(
            f"other programs kept {others:.1f} CPUs busy meanwhile: what they take is in the total, and what "
            "they change in the rest"
        )
    first, last = figures.idles[0].watts, figures.idles[-1].watts
    if abs(last - first) > DRIFT * max(abs(first), 1e-12):
        found.append(f"the idle power changed from {first:.3g} W to {last:.3g} W: something else runs, or it warms up")
    slowest = max(window.seconds / window.inferences for window in measured.loads)
    if rate is not None and slowest > (1 + LATE) / rate:
        found.append(f"{rate:g} inferences a second do not fit: it were {1 / slowest:.3g}")
    return found
