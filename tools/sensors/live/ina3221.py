"""INA3221 as the mainline kernel shows it (JetPack 5 and newer, other boards): hwmon, three rails a chip.

The chip has no power register: a rail's power is its bus voltage (mV) times its current (mA). hwmon numbers change from
boot to boot, and boards have several chips.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ..power_files import PowerFiles
from ..rails import total_and_rails
from ..source import Absent, Facts, Source, System
from ..sysfs import NumberFile, read_number, read_text

PLACES: Final = (
    "sys/bus/i2c/drivers/ina3221/*/hwmon/hwmon*",
    "sys/bus/i2c/drivers/ina3221/*-*",
    "sys/class/hwmon/hwmon*",
)
SHUNT_STEP: Final = 40e-6
"""Volts over the shunt: the chip's smallest step (data sheet)."""
USUAL_VOLTS: Final = 5.0
USUAL_SHUNT: Final = 5e-3
"""Ohm, as on Jetson boards; assumed where the tree does not say."""
UPDATE_MS: Final = 10.0
"""Where the tree does not say."""


@dataclass(frozen=True)
class Rail:
    label: str
    chip: Path
    channel: int

    @property
    def resolution(self) -> float:
        """Watts."""
        shunt = read_number(self.chip / f"shunt{self.channel}_resistor", 1e-6) or USUAL_SHUNT
        volts = read_number(self.chip / f"in{self.channel}_input", 1e-3) or USUAL_VOLTS
        return volts * SHUNT_STEP / shunt

    @property
    def update_seconds(self) -> float:
        return (read_number(self.chip / "update_interval") or UPDATE_MS) * 1e-3

    def open(self) -> tuple[NumberFile, NumberFile]:
        return (
            NumberFile(self.chip / f"in{self.channel}_input", 1e-3),
            NumberFile(self.chip / f"curr{self.channel}_input", 1e-3),
        )


def find(system: System) -> Iterator[PowerFiles]:
    """The board's total first, then every rail."""
    rails = [rail for chip in system.glob(*PLACES) if read_text(chip / "name") == "ina3221" for rail in _rails(chip)]
    if not rails:
        raise Absent("no INA3221 under sys/class/hwmon")
    yield from total_and_rails("ina3221", rails, system.rails, _sensor)


def _rails(chip: Path) -> Iterator[Rail]:
    for channel in (1, 2, 3):
        if not (chip / f"in{channel}_input").exists() or read_number(chip / f"in{channel}_enable") == 0:
            continue
        label = read_text(chip / f"in{channel}_label")
        yield Rail(f"channel{channel}" if label is None else label, chip, channel)


def _sensor(name: str, what: str, whole: bool, rails: list[Rail]) -> PowerFiles:
    facts = Facts(
        name=name,
        what=what,
        quantity="power",
        whole=whole,
        resolution=sum(rail.resolution for rail in rails),
        fastest=1 / max(rail.update_seconds for rail in rails),
    )
    return PowerFiles(facts, [rail.open() for rail in rails])


SOURCE = Source(name="ina3221", title="INA3221, mainline driver (Jetson with JetPack 5 or newer)", find=find)
