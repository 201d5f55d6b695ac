"""A run, and the sensors of a computer, for people."""

from __future__ import annotations

from collections.abc import Iterable

from ..report.display import counted, duration, emit_sentence, table
from ..report.energy_run import EnergyRun, Life
from ..report.run_parts import Interval
from ..sensors.registry import Finding

HOURS_A_DAY = 24
SMALLEST = 5e-5
"""Millijoules below which nothing is left to show; a difference of equal powers is a rounding error of either sign."""


def show_run(run: EnergyRun) -> None:
    source = run.source
    table(_title(run), ["", ">value", ""], _rows(run))
    if run.source.how == "replayed":
        rows = [
            [str(each.number), f"{each.start_s:.3f}", f"{each.end_s:.3f}", f"{each.energy_uj:.2f}", power(each.watts)]
            for each in run.windows
        ]
        table("Windows", [">window", ">from s", ">to s", ">energy uJ", ">mean power"], rows)
    sampling = f", {_sampling(run)}" if source.samples else ""
    emit_sentence(f"{source.how}: {source.what} ({source.name}){sampling}")
    if source.whole is False:
        emit_sentence("This is not all that the device takes.")
    for note in source.notes:
        emit_sentence(note)


def show_sources(findings: Iterable[Finding]) -> None:
    rows = []
    for found in findings:
        facts, proof = found.facts, found.proof
        if facts is None or proof is None:
            rows.append([found.source.name if facts is None else facts.name, "", "", "", found.reason])
            continue
        cost = duration(proof.seconds)
        rows.append([facts.name, power(proof.watts), f"{proof.rate:.4g}", cost, facts.what])
    table("Power sensors", ["source", ">now", ">at most\nHz", ">a reading\ntakes", "what it covers, or why not"], rows)


def energy(millijoules: float) -> str:
    """In the unit that reads best."""
    size = abs(millijoules)
    if size < SMALLEST:
        return "0 uJ"
    if size < 1:
        return f"{millijoules * 1e3:.1f} uJ"
    return f"{millijoules:.2f} mJ" if size < 1e3 else f"{millijoules / 1e3:.2f} J"


def power(watts: float) -> str:
    size = abs(watts)
    if size < 1e-3:
        return f"{watts * 1e6:.1f} uW"
    return f"{watts * 1e3:.1f} mW" if size < 1 else f"{watts:.2f} W"


def _title(run: EnergyRun) -> str:
    if run.source.how == "modelled" and run.model is not None:
        return f"{run.model.path}: predicted, not measured"
    windows = [each for each in run.windows if each.kind != "idle"]
    seconds = sum(each.end_s - each.start_s for each in windows)
    count = f"{run.inferences} inferences" if run.inferences is not None else duration(seconds)
    name = run.source.what if run.model is None else run.model.path
    return f"{name}: {count} in {counted(len(windows), 'window')}"


def _rows(run: EnergyRun) -> list[list[str]]:
    rows = []
    each = run.per_inference
    if each is not None:
        rows.append(["energy of an inference", energy(each.total_mj.value), _bounds(each.total_mj)])
        if each.above_idle_mj is not None:
            rows.append(["  of it above idle", energy(each.above_idle_mj.value), _bounds(each.above_idle_mj)])
        rows.append(["time of an inference", duration(each.seconds), ""])
    for way in run.ways:
        above = way.per_inference.above_idle_mj
        rest = f", {energy(above.value)} above idle" if above is not None else ""
        rows.append([f"  {way.name}", energy(way.per_inference.total_mj.value), f"{way.share:.1%} of inputs{rest}"])
    rows += [
        [f"  of it {stage.name}", energy(stage.mean_mj), f"{stage.asked:.1%} x {energy(stage.total_mj.value)}"]
        for stage in run.stages
    ]
    if run.windows:
        rows.append(["energy in all", energy(run.joules * 1e3), ""])
    if run.windows and run.above_idle_j is not None:
        rows.append(["  of it above idle", energy(run.above_idle_j * 1e3), ""])
    if run.power.idle is not None:
        rows.append(["power at rest", power(run.power.idle.value), ""])
    rows.append(["power under load", power(run.power.mean), f"at most {power(run.power.peak)}"])
    if run.battery is not None:
        rows += [_life(run.battery.watt_hours, life) for life in run.battery.lives]
    return rows


def _life(capacity: float, life: Life) -> list[str]:
    often = life.inferences_per_second
    rate = f"{often:.4g}/s" if often >= 0.1 else f"{often * 60:.4g}/min"
    how = f"at {power(life.watts)}{', computed' if life.computed else ''}"
    return [f"{capacity:.4g} Wh at {rate}", _hours(life.hours), how]


def _bounds(found: Interval) -> str:
    if found.low is None or found.high is None:
        return ""
    return f"{energy(found.low)} .. {energy(found.high)} (95 %)"


def _hours(hours: float) -> str:
    if hours < 2:
        return f"{hours * 60:.0f} min"
    return f"{hours:.1f} h" if hours < 2 * HOURS_A_DAY else f"{hours / HOURS_A_DAY:.1f} days"


def _sampling(run: EnergyRun) -> str:
    source = run.source
    text = f"{source.samples} samples at {source.rate:.6g} Hz"
    if source.resolution:
        text += f", steps of {source.resolution:.3g} {'J' if source.quantity == 'energy' else 'W'}"
    if source.failures:
        text += f", {source.failures} readings failed"
    return text
