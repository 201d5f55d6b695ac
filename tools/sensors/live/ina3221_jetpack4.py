"""INA3221 as JetPack 4's own driver shows it (Jetson Nano, TX2, Xavier NX): an iio device of three rails, in mW."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

from ..power_files import PowerFiles
from ..rails import total_and_rails
from ..source import Absent, Facts, Source, System
from ..sysfs import NumberFile, read_number, read_text

PLACES: Final = (
    "sys/bus/i2c/drivers/ina3221x/*/iio:device*",
    "sys/bus/i2c/drivers/ina3221x/*-*",
    "sys/bus/iio/devices/iio:device*",
)
CURRENT_STEP: Final = 8e-3
"""Amperes: 40 uV over the 5 milliohm of Jetson boards; this tree does not say them."""
USUAL_VOLTS: Final = 5.0
FASTEST: Final = 100.0


class Rail(NamedTuple):
    label: str
    chip: Path
    channel: int


def find(system: System) -> Iterator[PowerFiles]:
    """The board's total first, then every rail."""
    rails = [rail for chip in system.glob(*PLACES) for rail in _rails(chip)]
    if not rails:
        raise Absent("no rail_name_0 of an INA3221 under sys/bus/i2c/drivers/ina3221x")
    yield from total_and_rails("ina3221-jetpack4", rails, system.rails, _sensor)


def _rails(chip: Path) -> Iterator[Rail]:
    for channel in (0, 1, 2):
        label = read_text(chip / f"rail_name_{channel}")
        if label is not None and (chip / f"in_power{channel}_input").exists():
            yield Rail(label, chip, channel)


def _sensor(name: str, what: str, whole: bool, rails: list[Rail]) -> PowerFiles:
    volts = (read_number(rail.chip / f"in_voltage{rail.channel}_input", 1e-3) or USUAL_VOLTS for rail in rails)
    facts = Facts(
        name=name,
        what=what,
        quantity="power",
        whole=whole,
        resolution=sum(volts) * CURRENT_STEP,
        fastest=FASTEST,
    )
    return PowerFiles(facts, [(NumberFile(rail.chip / f"in_power{rail.channel}_input", 1e-3),) for rail in rails])


SOURCE = Source(name="ina3221-jetpack4", title="INA3221, JetPack 4's driver (Jetson Nano, TX2, Xavier NX)", find=find)
