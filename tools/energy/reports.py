"""A measurement, or a recording, as the run that is shown and kept in a file."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime

import msgspec

from ..measure.machine import describe, versions
from ..measure.statistics import interval
from ..report import energy_run
from ..report.energy_run import EnergyRun, Kind, PerInference, Power, SourceFacts, Window
from ..report.provenance import command_line, moment
from ..report.run_parts import Conditions, Machine, ModelFacts
from ..sensors.recordings.format import Format
from ..sensors.source import SensorError
from ..sensors.trace import Part, Trace
from .battery_life import lives
from .evaluate import Figures, peak
from .load import Window as Timed
from .measure import Measured, Plan
from .points import shorten
from .recorder import Recorder
from .stages import split
from .ways import Way
from .windows import Bounds

RATES = (1.0, 1 / 60)
"""Inferences a second that a battery's life is computed for, too."""


def live_run(
    model: ModelFacts,
    recorder: Recorder,
    plan: Plan,
    measured: Measured,
    figures: Figures,
    ways: Sequence[Way],
    capacity: float | None,
    created: datetime,
    conditions: Conditions,
) -> EnergyRun:
    """capacity: watt-hours of a battery. created: when the measurement began."""
    start, trace = float(measured.trace.times[0]), measured.trace
    timed = sorted([*zip(measured.loads, figures.loads, strict=True), *zip(measured.idles, figures.idles, strict=True)],
                   key=lambda pair: pair[0].start)  # fmt: skip
    facts = recorder.facts
    above = figures.per_inference.above_idle_mj
    idle = figures.power.idle
    return EnergyRun(
        created=moment(created),
        command=command_line(),
        model=model,
        machine=msgspec.convert(describe(), Machine),
        versions=versions(),
        source=SourceFacts(
            how="measured",
            name=facts.name,
            what=facts.what,
            whole=facts.whole,
            quantity=facts.quantity,
            resolution=facts.resolution or trace.step or None,
            rate=round(recorder.rate, 6),
            samples=len(trace.times),
            failures=recorder.failures,
            missed=recorder.missed,
            reading_cpu_s=recorder.cost,
            notes=list(facts.notes),
        ),
        settings={"rounds": plan.rounds, "seconds": plan.seconds, "inferences_per_second": plan.rate},
        windows=[_timed(number, window, part, start, len(ways)) for number, (window, part) in enumerate(timed, 1)],
        inferences=sum(window.inferences for window in measured.loads),
        joules=figures.joules,
        above_idle_j=figures.above_idle,
        per_inference=figures.per_inference,
        ways=[
            energy_run.Way(name=way.name, share=way.share, per_inference=each)
            for way, each in zip(ways, figures.ways, strict=True)
            if way.name
        ],
        stages=split(ways, figures.ways),
        power=figures.power,
        battery=None
        if capacity is None
        else lives(
            capacity,
            (figures.rate, figures.power.mean),
            None if idle is None else idle.value,
            None if above is None else above.value / 1e3,
            () if plan.rate is not None else RATES,
        ),
        warnings=figures.warnings,
        conditions=conditions,
        trace=shorten(trace, start),
    )


def replayed_run(
    path: str, format: Format, trace: Trace, bounds: Sequence[Bounds], inferences: int | None, created: datetime
) -> EnergyRun:
    """inferences: in each window, where that is known. SensorError where nothing is known of a window that counts."""
    start = 0.0 if trace.times[0] < trace.period else float(trace.times[0])
    parts = [(each, trace.part(each.start, each.end)) for each in bounds]
    unknown = [each.number for each, part in parts if each.counts and not math.isfinite(part.joules)]
    if unknown:
        raise SensorError(f"{path}: no power is known in window {unknown[0]}")
    shown = [(each, _replayed(each, part, start, inferences)) for each, part in parts if math.isfinite(part.joules)]
    windows = [window for each, window in shown if each.counts]
    seconds = math.fsum(window.end_s - window.start_s for window in windows)
    joules = math.fsum(window.energy_uj for window in windows) * 1e-6
    unseen = math.fsum(window.unseen_s for window in windows)
    return EnergyRun(
        created=moment(created),
        command=command_line(),
        model=None,
        machine=None,
        versions=versions(),
        source=SourceFacts(
            how="replayed",
            name=format.title,
            what=path,
            whole=None,
            quantity="power",
            resolution=trace.step or None,
            rate=round(1 / trace.period, 6),
            samples=len(trace.joules),
        ),
        settings={"inferences": inferences},
        windows=windows,
        between=[window for each, window in shown if not each.counts],
        inferences=None if inferences is None else inferences * len(windows),
        joules=joules,
        above_idle_j=None,
        per_inference=None
        if inferences is None
        else PerInference(
            total_mj=interval([window.energy_uj / 1e3 / inferences for window in windows], 0.0),
            above_idle_mj=None,
            seconds=seconds / len(windows) / inferences,
        ),
        power=Power(
            idle=None,
            mean=joules / seconds,
            peak=peak(trace, [Timed(each.start, each.end) for each in bounds if each.counts]),
        ),
        battery=None,
        warnings=_doubts(windows, unseen),
        trace=shorten(trace, start),
    )


def _doubts(windows: Sequence[Window], unseen: float) -> list[str]:
    found = []
    if unseen:
        found.append(f"for {unseen:.3g} s of the windows no power is known; that beside it was taken")
    backward = sum(window.energy_uj < 0 for window in windows)
    if backward:
        found.append(f"{backward} of {len(windows)} windows took less than nothing: is the meter the wrong way round?")
    return found


def _timed(number: int, window: Timed, part: Part, start: float, ways: int) -> Window:
    inferences = window.inferences or None
    way = window.way if inferences and ways > 1 else None
    kind: Kind = "load" if inferences else "idle"
    return _window(number, kind, window.start - start, window.end - start, part, inferences, way)


def _replayed(each: Bounds, part: Part, start: float, inferences: int | None) -> Window:
    kind: Kind = "window" if each.counts else "between"
    counted = inferences if each.counts else None
    return _window(each.number, kind, each.start - start, each.end - start, part, counted)


def _window(
    number: int, kind: Kind, start: float, end: float, part: Part, inferences: int | None, way: int | None = None
) -> Window:
    return Window(
        number=number, kind=kind, start_s=start, end_s=end, energy_uj=part.joules * 1e6, watts=part.watts,
        samples=part.samples, unseen_s=part.unseen, inferences=inferences, way=way,
    )  # fmt: skip
