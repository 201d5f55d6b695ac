"""INA219, 226, 228, 238 and their like through hwmon: one rail a chip, power in microwatts.

INA228 also adds the energy up itself, which misses nothing between readings and is taken where it is shown. Jetson Thor
has an INA238 whose rail VIN feeds the whole board.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ..counter import Counter
from ..power_files import PowerFiles
from ..rails import choose_total, is_used
from ..source import Absent, Facts, Sensor, Source, System
from ..sysfs import NumberFile, read_number, read_text

CHIPS: Final = frozenset(
    ("ina209", "ina219", "ina220", "ina226", "ina228", "ina230", "ina231", "ina237", "ina238", "ina260", "sq52206")
)
SHUNT_STEPS: Final = {"ina219": 10e-6, "ina220": 10e-6, "ina238": 5e-6, "ina237": 5e-6, "ina228": 312.5e-9}
"""Volts over the shunt (data sheets); 2.5 uV of the others."""
UPDATE_MS: Final = 10.0
USUAL_SHUNT: Final = 1e-2
USUAL_VOLTS: Final = 5.0
"""Assumed where the tree does not say."""


class EnergyFile:
    """Joules of a chip that adds up by itself. Where its counter wraps is not shown."""

    def __init__(self, facts: Facts, file: NumberFile) -> None:
        self.facts, self._file = facts, file
        self._counter = Counter(None)

    @property
    def lost(self) -> int:
        return self._counter.lost

    def read(self) -> float:
        return self._counter.advance(self._file.read(), time.monotonic())

    def close(self) -> None:
        self._file.close()


def find(system: System) -> Iterator[Sensor]:
    """The total over all chips first where there are several, then every chip."""
    chips = [chip for chip in system.glob("sys/class/hwmon/hwmon*") if _is_chip(chip)]
    if not chips:
        raise Absent("no INA219, 226, 228, 238 or the like under sys/class/hwmon")
    labels = [_label(chip) for chip in chips]
    choice = choose_total(labels, "ina2xx", system.rails)
    if len(choice.indices) > 1:
        chosen = [chips[index] for index in choice.indices]
        yield PowerFiles(
            _facts("ina2xx", choice.what, choice.whole, "power", chosen), [_power(chip) for chip in chosen]
        )
    for index, (chip, label) in enumerate(zip(chips, labels, strict=True)):
        if not is_used(label):
            continue
        whole = choice.whole and index in choice.indices
        alone = len(choice.indices) == 1 and index in choice.indices
        name, what = ("ina2xx", choice.what) if alone else (f"ina2xx:{label}", f"{label} alone")
        if (chip / "energy1_input").exists():
            facts = _facts(name, what, whole, "energy", [chip])
            yield EnergyFile(facts, NumberFile(chip / "energy1_input", 1e-6))
        else:
            yield PowerFiles(_facts(name, what, whole, "power", [chip]), [_power(chip)])


def _is_chip(chip: Path) -> bool:
    return read_text(chip / "name") in CHIPS and (chip / "power1_input").exists()


def _label(chip: Path) -> str:
    """As the chip's driver or the device tree names the rail, else the chip itself."""
    for file in ("label", "power1_label", "in1_label", "curr1_label", "device/of_node/label"):
        found = read_text(chip / file)
        if found is not None:
            return found
    return f"{read_text(chip / 'name')}@{chip.name}"


def _power(chip: Path) -> tuple[NumberFile]:
    return (NumberFile(chip / "power1_input", 1e-6),)


def _facts(name: str, what: str, whole: bool, quantity: str, chips: list[Path]) -> Facts:
    steps = sum(map(_power_step, chips))
    update = max((read_number(chip / "update_interval") or UPDATE_MS) * 1e-3 for chip in chips)
    if quantity == "energy":
        return Facts(
            name=name, what=what, quantity="energy", whole=whole, resolution=steps * update, fastest=1 / update
        )
    return Facts(name=name, what=what, quantity="power", whole=whole, resolution=steps, fastest=1 / update)


def _power_step(chip: Path) -> float:
    """Watts: the chip's smallest step of shunt voltage, as a current, at the present bus voltage."""
    shunt = read_number(chip / "shunt_resistor", 1e-6) or USUAL_SHUNT
    volts = read_number(chip / "in1_input", 1e-3) or USUAL_VOLTS
    return SHUNT_STEPS.get(read_text(chip / "name") or "", 2.5e-6) / shunt * volts


SOURCE = Source(name="ina2xx", title="INA219, 226, 228, 238 and their like (Jetson Thor, add-on boards)", find=find)
