"""What `mj bench` does for one comparison: a model alone, beside peers, or several models and settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import numpy as np

from ..estimate.layers import timed_layers
from ..measure.bounds import measure_bounds
from ..measure.device_state import conditions_of, read_state, warnings_of
from ..measure.disturbance import Watch
from ..measure.fallback import describe_fallback
from ..measure.machine import PACKAGES, describe, versions
from ..models.cascades import one_row
from ..models.devices import session_profile
from ..models.memory_map import memory_map
from ..models.plans import program_of
from ..models.sources import find_source
from ..peers.held import hold, sentence
from ..peers.registry import available, distribution
from ..report.bench_run import BenchRun
from ..report.progress import busy
from ..report.provenance import command_line, describe_model, moment, now
from ..report.run_parts import Accuracy, Machine
from .contenders import Entry, Inputs, open_peers, opened
from .duty import measure_duty
from .rounds import measure_rounds
from .settings import Setting
from .start import measure_starts
from .sustained import SLOWER, measure_sustained, slowdown

if TYPE_CHECKING:
    from ...device_profiles import Thermal


@dataclass(frozen=True)
class Request:
    """A measurement as the command line asks for it. wanted: how well the median should be known. start: "none",
    "warm" or "cold". sustained: minutes. rate: inferences a second, for so many seconds (duration).
    layers, bounds: whether those are measured, too."""

    paths: Sequence[str]
    settings: Sequence[Setting]
    inputs: Inputs
    seconds: float
    rounds: int | None
    wanted: float
    peers: bool = False
    chosen: Sequence[str] = ()
    source: str | None = None
    start: str = "none"
    sustained: float | None = None
    rate: float | None = None
    duration: float | None = None
    accuracy: Accuracy | None = None
    root: Path = Path("/")
    layers: bool = True
    bounds: bool = False
    asked: Mapping[str, Any] = field(default_factory=dict)


def bench(request: Request) -> BenchRun:
    """The first model, with the first setting, is what all else is compared with."""
    created = now()
    with opened(request.paths, request.settings, request.inputs) as entries:
        first = entries[0]
        target = first.session.engine.target
        peers, refused, held = _peers(request, first)
        contenders = [*(entry.contender for entry in entries), *peers]
        threads = max(entry.session.threads for entry in entries)
        before, watch = read_state(request.root), Watch()
        timed = measure_rounds(contenders, request.seconds, threads, request.rounds, request.wanted)
        duty = None if request.rate is None else measure_duty(first.contender, request.rate, request.duration)
        minutes = []
        if request.sustained is not None:
            with busy(f"load for {request.sustained:g} minutes"):
                minutes = measure_sustained(first.contender, request.sustained * 60, request.root)
        meddling, after = watch.end(), read_state(request.root)
        row = one_row(first.feeds, first.model)
        program = program_of(first.session.engine, row)
        starts, numpy_bytes = None, None
        if request.start != "none":
            starts, numpy_bytes = measure_starts(
                first.path, request.settings[0], first.feeds, cold=request.start == "cold"
            )
        names = timed.names
        packages = [*PACKAGES, *(distribution(peer.name) for peer in peers)]
        thermal = session_profile(first.session).thermal
        run = BenchRun(
            created=moment(created),
            command=command_line(),
            model=describe_model(first.path, first.session, _shapes(first.feeds), request.inputs.seed, program),
            machine=msgspec.convert(describe(), Machine),
            versions=versions(packages),
            settings=dict(request.asked),
            conditions=conditions_of(before, after, meddling),
            latency=[timed.latency(name, "ours" if name in _names(entries) else "peer") for name in names],
            layers=timed_layers(first.session, row) if request.layers else [],
            memory=memory_map(
                program, first.session.engine.weights.used, first.session.threads,
                None if starts is None else starts.warm.peak_bytes, numpy_bytes,
            ),
            accuracy=request.accuracy,
            bounds=measure_bounds(target) if request.bounds else None,
            stability=timed.stability(),
            paired=[timed.paired(name) for name in names[1:]],
            refused=refused,
            numpy=describe_fallback(program),
            start=starts,
            sustained=minutes,
            duty=duty,
            held=held,
            warnings=meddling.sentences(),
        )  # fmt: skip
    return msgspec.structs.replace(run, warnings=[*run.warnings, *remarks(run, thermal)])


def remarks(run: BenchRun, thermal: Thermal | None = None) -> list[str]:
    """What a reader of the figures has to know beside what other programs did. thermal: of the device's profile."""
    found = []
    stability = run.stability
    if stability is not None and stability.stable is False and stability.precision is not None:
        found.append(
            f"the median is known within {stability.precision:.1%} after {stability.rounds} rounds, not within "
            f"{stability.wanted:.1%}: times vary from round to round"
        )
    conditions = run.conditions
    if conditions is not None and conditions.before is not None and conditions.after is not None:
        minutes = [minute.state for minute in run.sustained]
        found += warnings_of([conditions.before, *minutes, conditions.after], thermal)
    if len(run.sustained) > 1 and slowdown(run.sustained) > SLOWER:
        found.append(
            f"the last minute's inferences took {slowdown(run.sustained):.2f} times as long as the first minute's"
        )
    duty = run.duty
    if duty is not None and duty.late > duty.calls / 100:
        found.append(f"{duty.late} of {duty.calls} inferences began late: {duty.rate:g} a second do not fit, or others "
                     "had the CPU")  # fmt: skip
    return found


def _peers(request: Request, first: Entry) -> tuple[list[Any], dict[str, str], str | None]:
    """The peers that were asked for, why others do not take part, and what keeps which to the target."""
    if not request.peers and not request.chosen:
        return [], {}, None
    source = find_source(first.path, request.source, first.model, "name it with --source SRC")
    isa = hold(first.session.engine.target, available(source))
    peers, refused = open_peers(source, first.feeds, first.session.threads, request.chosen)
    return peers, refused, sentence((peer.name for peer in peers), isa, first.session.target)


def _names(entries: Sequence[Entry]) -> set[str]:
    return {entry.name for entry in entries}


def _shapes(feeds: Mapping[str, np.ndarray]) -> dict[str, tuple[int, ...]]:
    return {name: array.shape for name, array in feeds.items()}
