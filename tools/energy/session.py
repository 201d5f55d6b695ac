"""What `mj energy` does: a model beside a sensor, or a recording."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import msgspec

from ...runtime.errors import InputError
from ..estimate.layers import timed_layers
from ..measure.device_state import conditions_of, read_state, warnings_of
from ..models.cascades import one_row
from ..models.devices import session_profile
from ..models.feeds import chosen_inputs
from ..models.memory_map import memory_map
from ..models.plans import program_of
from ..models.sources import load, open_model
from ..report.energy_run import EnergyRun
from ..report.progress import busy
from ..report.provenance import describe_model, now
from ..report.run_parts import Accuracy
from ..sensors.recordings.format import Settings
from ..sensors.recordings.registry import read_recording
from ..sensors.source import System
from .battery_life import watt_hours
from .evaluate import evaluate
from .load import load as run_for
from .measure import Plan, measure
from .modelled import is_modelled, modelled_run
from .reports import live_run, replayed_run
from .sources import open_recorder
from .ways import ways_of
from .windows import read_windows, whole

WARM_UP = 0.5
"""Seconds of inferences before the first window."""


@dataclass(frozen=True)
class Request:
    """A measurement as the command line asks for it. layers: whether the model's steps are timed, too, afterwards."""

    model: str
    source: str | None
    duration: float | None
    rate: float | None
    rounds: int
    sample_rate: float | None
    battery: str | None
    settings: Settings
    system: System
    accuracy: Accuracy | None = None
    layers: bool = False


def measure_model(
    request: Request,
    threads: int | None,
    target: str | None,
    kernels: str | None,
    inputs: Sequence[str],
    shapes: Sequence[str],
    seed: int,
) -> EnergyRun:
    """Raises SensorError where there is no sensor, before anything is compiled or run."""
    capacity = None if request.battery is None else watt_hours(request.battery)
    if request.source is not None and is_modelled(request.source):
        given = {
            "--target": target, "--kernels": kernels, "--input": inputs, "--duration": request.duration,
            "--sample-rate": request.sample_rate,
        }  # fmt: skip
        vain = [name for name, value in given.items() if value]
        if vain:
            raise InputError(f"--source {request.source} runs nothing: leave {vain[0]} out")
        return modelled_run(request.model, request.source, shapes, threads, request.rate, capacity)
    recorder = open_recorder(request.source, request.system, request.sample_rate, request.settings)
    try:
        opened = open_model(request.model)
        feeds = chosen_inputs(opened, inputs, shapes, seed)
        with load(opened, threads, target, kernels) as session:
            ways = ways_of(session, feeds)
            for way in ways:
                run_for(way.invoke, WARM_UP / len(ways))
            plan = Plan.choose(request.rounds, request.duration, request.rate, recorder.rate, len(ways))
            created = now()
            with busy(f"measuring for {plan.total:.0f} s with {recorder.facts.name}"):
                before = read_state(request.system.root)
                measured = measure(recorder, [way.invoke for way in ways], plan)
                after = read_state(request.system.root)
            conditions = conditions_of(before, after, measured.meddling)
            figures = evaluate(measured, recorder.facts, request.rate, [way.share for way in ways])
            row = one_row(feeds, opened)
            program = program_of(session.engine, row)
            fed = {name: array.shape for name, array in feeds.items()}
            model = describe_model(request.model, session, fed, seed, program)
            run = live_run(model, recorder, plan, measured, figures, ways, capacity, created, conditions)
            return msgspec.structs.replace(
                run,
                warnings=[*run.warnings, *warnings_of([before, after], session_profile(session).thermal)],
                layers=timed_layers(session, row) if request.layers else [],
                memory=memory_map(program, session.engine.weights.used, session.threads),
                accuracy=request.accuracy,
            )
    finally:
        recorder.close()


def replay_recording(
    path: str, windows: str | None, inferences: int | None, format: str | None, settings: Settings
) -> EnergyRun:
    """The energy of each window of a recording; all of it is one where windows names no file."""
    found, trace = read_recording(Path(path), format, settings)
    bounds = whole(trace) if windows is None else read_windows(windows, trace)
    return replayed_run(path, found, trace, bounds, inferences, now())
