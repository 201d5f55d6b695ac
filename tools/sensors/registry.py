"""Which kinds of sensors there are, which of them this computer has, and how one is chosen."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import import_module
from typing import Final

from .proof import Proof, prove
from .source import Absent, Facts, Sensor, SensorError, Source, System

LIVE: Final = (
    "ina3221",
    "ina3221_jetpack4",
    "ina2xx",
    "pi5_pmic",
    "hwmon",
    "rapl",
    "battery",
    "um25c",
    "shelly",
)
"""The files of `live/`. Without --source the first that gives numbers is taken: boards' own before the CPU's alone."""


@dataclass(frozen=True)
class Finding:
    """One sensor that is here, with its proof; or, without facts or without a proof, why there is none."""

    source: Source
    facts: Facts | None = None
    proof: Proof | None = None
    reason: str = ""


def sources() -> list[Source]:
    return [import_module(f".live.{name}", __package__).SOURCE for name in LIVE]


def survey(system: System) -> Iterator[Finding]:
    """What every kind of sensor finds. Nothing is left open."""
    for source in sources():
        if source.find is None:
            yield Finding(source, reason=f"named by --source {source.name}:{source.address}")
            continue
        try:
            for sensor in source.find(system):
                yield _tried(source, sensor)
        except SensorError as error:
            yield Finding(source, reason=str(error))


def open_sensor(chosen: str | None, system: System) -> tuple[Sensor, Proof]:
    """The sensor that --source names, or where it names none the first that gives numbers; with its proof.

    SensorError where there is none.
    """
    if chosen is None:
        return _first(system)
    name, _, address = chosen.partition(":")
    source = next((source for source in sources() if source.name == name), None)
    if source is None:
        raise SensorError(f"there is no source '{name}'; known are {', '.join(_written(each) for each in sources())}")
    if source.open is not None:
        if not address:
            raise SensorError(f"--source {name}: an address is wanted, as in {_written(source)}")
        return _proved(source.open(system, address))
    found = []
    for sensor in source.find(system) if source.find is not None else ():
        if sensor.facts.name == chosen:
            return _proved(sensor)
        found.append(sensor.facts.name)
        sensor.close()
    raise SensorError(f"--source {chosen}: there is only {', '.join(found)}")


def _first(system: System) -> tuple[Sensor, Proof]:
    found = next((pair for source in sources() if (pair := _first_of(source, system)) is not None), None)
    if found is None:
        raise SensorError(
            "no sensor of this computer measures power (`mj energy --sources` says why): name an external meter with "
            "--source, or a recording of one with --replay"
        )
    return found


def _first_of(source: Source, system: System) -> tuple[Sensor, Proof] | None:
    """The kind's first sensor, which is its total; None where there is none that gives numbers. One that is there and
    gives none is not passed over in silence."""
    try:
        sensor = next(iter(source.find(system)), None) if source.find is not None else None
        return None if sensor is None else _proved(sensor)
    except Absent:
        return None
    except SensorError as error:
        warnings.warn(f"{source.name} is left out: {error}", stacklevel=2)
        return None


def _proved(sensor: Sensor) -> tuple[Sensor, Proof]:
    try:
        return sensor, prove(sensor)
    except BaseException:
        sensor.close()
        raise


def _tried(source: Source, sensor: Sensor) -> Finding:
    try:
        return Finding(source, sensor.facts, prove(sensor))
    except SensorError as error:
        return Finding(source, sensor.facts, reason=str(error))
    finally:
        sensor.close()


def _written(source: Source) -> str:
    return f"{source.name}:{source.address}" if source.address else source.name
