"""The battery a computer runs on: power_now, or current_now times voltage_now, in microwatts and their like.

Fuel gauges average over seconds. On mains the number is the charger's and says nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ..power_files import PowerFiles, Term
from ..source import Absent, Facts, ReadError, SensorError, Source, System
from ..sysfs import NumberFile, read_text

FASTEST: Final = 1.0
RESOLUTION: Final = 0.01
"""Watts: gauges' currents have steps of about a milliampere."""


class Battery(PowerFiles):
    """Watts that leave the battery, whatever sign the driver gives them."""

    def __init__(self, facts: Facts, folder: Path) -> None:
        self._status = folder / "status"
        super().__init__(facts, [_term(folder)])

    def read(self) -> float:
        status = read_text(self._status)
        if status is not None and status != "Discharging":
            raise ReadError(f"the battery is not what feeds this computer now (status {status}): unplug the charger")
        return abs(super().read())


def find(system: System) -> Iterator[Battery]:
    folders = [folder for folder in system.glob("sys/class/power_supply/*") if read_text(folder / "type") == "Battery"]
    # A mouse's battery has the scope Device.
    folders = [folder for folder in folders if read_text(folder / "scope") != "Device"]
    if not folders:
        raise Absent("no battery under sys/class/power_supply")
    for folder in folders:
        alone = len(folders) == 1
        facts = Facts(
            name="battery" if alone else f"battery:{folder.name}",
            what=f"what {folder.name} gives, a mean over seconds",
            quantity="power",
            whole=alone,
            resolution=RESOLUTION,
            fastest=FASTEST,
        )
        yield Battery(facts, folder)


def _term(folder: Path) -> Term:
    if (folder / "power_now").exists():
        return (NumberFile(folder / "power_now", 1e-6),)
    if (folder / "current_now").exists() and (folder / "voltage_now").exists():
        return (NumberFile(folder / "current_now", 1e-6), NumberFile(folder / "voltage_now", 1e-6))
    raise SensorError(f"{folder.name} shows neither power_now nor current_now")


SOURCE = Source(name="battery", title="the battery's own gauge", find=find)
