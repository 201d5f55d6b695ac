"""Energy that nobody measured: what `mj estimate` predicts, in the form of a run, so that it can stand beside measured
ones and says of itself that it is modelled."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ...runtime.errors import InputError
from ..estimate.estimate import estimate
from ..estimate.layers import predicted_layer
from ..estimate.published import record
from ..measure.machine import versions
from ..models.devices import described
from ..models.sources import concrete_shapes, open_model, parse_shapes
from ..report.energy_run import EnergyRun, PerInference, Points, Power, SourceFacts
from ..report.provenance import command_line, digest, moment, now
from ..report.run_parts import Interval, ModelFacts
from ..sensors.source import SensorError
from .battery_life import lives
from .reports import RATES

MODEL = "model"


def is_modelled(source: str | None) -> bool:
    return source is not None and source.partition(":")[0] == MODEL


def modelled_run(
    path: str, source: str, shapes: Sequence[str], threads: int | None, rate: float | None, capacity: float | None
) -> EnergyRun:
    """source: "model", or "model:" and a device profile's name. rate: inferences a second, None for one right after
    another. SensorError where the profile knows no energy, InputError where so many do not fit into a second."""
    opened = open_model(path)
    sizes = concrete_shapes(opened, parse_shapes(opened, shapes))
    profile, completed = described(source.partition(":")[2] or "host")
    found = estimate(opened, sizes, profile, threads)
    energy = profile.energy
    if energy is None or found.joules is None or found.joules_above_idle is None:
        raise SensorError(
            f"--source {source}: the profile {profile.name} has no energy coefficients (docs/profiles.md)"
        )
    fastest = 1 / found.seconds
    if rate is not None and rate > fastest:
        raise InputError(f"--rate {rate:g}: {fastest:.3g} inferences a second are predicted at most")
    idle, above = energy.idle_watts.value, found.joules_above_idle
    often = rate or fastest
    mean = idle + often * above
    known = record()
    return EnergyRun(
        created=moment(now()),
        command=command_line(),
        model=ModelFacts(
            name=Path(path).name, path=path, sha256=digest(path), target=found.target, threads=found.threads,
            profile=profile.name, shapes={name: list(shape) for name, shape in sizes.items()},
            macs=sum(step.work.macs for step in found.steps),
        ),
        machine=None,
        versions=versions(),
        source=SourceFacts(
            how="modelled",
            name=MODEL,
            what=f"the coefficients of the profile {profile.name}" + (f", from {completed}" if completed else ""),
            whole=True,
            quantity="energy",
            resolution=None,
            rate=0.0,
            samples=0,
            notes=[
                f"Nothing was run. Of {known.energy_rows} published energies, each predicted without itself, half are "
                f"within a factor of {known.energy_median:g}."
            ],
        ),
        settings={"profile": profile.name, "inferences_per_second": rate},
        windows=[],
        inferences=1,
        joules=found.joules,
        above_idle_j=above,
        per_inference=PerInference(
            total_mj=Interval(found.joules * 1e3, None, None),
            above_idle_mj=Interval(above * 1e3, None, None),
            seconds=found.seconds,
        ),
        power=Power(idle=Interval(idle, None, None), mean=mean, peak=idle + above / found.seconds),
        battery=None
        if capacity is None
        else lives(capacity, (often, mean), idle, above, () if rate is not None else RATES, computed=True),
        warnings=[],
        trace=Points(seconds=[], watts=[]),
        layers=[predicted_layer(step) for step in found.steps],
    )  # fmt: skip
