"""Any other chip that shows power (uW) through hwmon: an ACPI power meter, server boards, graphics."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from ..power_files import PowerFiles
from ..source import Absent, Facts, Source, System
from ..sysfs import NumberFile, read_number, read_text
from .ina2xx import CHIPS

INTERVAL_MS: Final = 1000.0
"""Where the tree does not say how often the number is renewed."""
WHOLE: Final = frozenset(("power_meter",))
"""ACPI's, which is that of the whole computer."""


def find(system: System) -> Iterator[PowerFiles]:
    """One for each power, those of the whole computer first."""
    found = [file for chip in system.glob("sys/class/hwmon/hwmon*") for file in _powers(chip)]
    if not found:
        raise Absent("no power1_input or power1_average under sys/class/hwmon")
    for file in sorted(found, key=lambda file: read_text(file.parent / "name") not in WHOLE):
        yield _sensor(file)


def _powers(chip: Path) -> Iterator[Path]:
    if read_text(chip / "name") in CHIPS:
        return
    for channel in range(1, 17):
        files = (chip / f"power{channel}_{kind}" for kind in ("average", "input"))
        found = next((file for file in files if file.exists()), None)
        if found is not None:
            yield found


def _sensor(file: Path) -> PowerFiles:
    chip, channel = file.parent, file.name.partition("_")[0]
    name = read_text(chip / "name") or chip.name
    label = read_text(chip / f"{channel}_label") or channel
    interval = read_number(chip / f"{channel}_average_interval") or read_number(chip / "update_interval")
    facts = Facts(
        name=f"hwmon:{name}/{label}",
        what=f"{label} of {name}",
        quantity="power",
        whole=name in WHOLE,
        resolution=1e-3,
        fastest=1000 / (interval or INTERVAL_MS),
    )
    return PowerFiles(facts, [(NumberFile(file, 1e-6),)])


SOURCE = Source(name="hwmon", title="other chips that show their power through hwmon", find=find)
