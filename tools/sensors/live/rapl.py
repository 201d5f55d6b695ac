"""RAPL, the energy counters of x86 CPUs (Intel, and AMD since Zen), through powercap.

Counters are in microjoules and wrap at `max_energy_range_uj`, after minutes under load. A package holds its cores and
uncore, so these are not added to it; memory (dram) is a domain of its own. psys, where a board is wired for it, is the
package and more, and never added either.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ..counter import Counter
from ..rails import choose_listed
from ..source import Absent, Facts, Source, System
from ..sysfs import NumberFile, read_number, read_text

PLACES: Final = ("sys/class/powercap/intel-rapl:*", "sys/class/powercap/intel-rapl-mmio:*")
UNIT: Final = 61e-6
"""Joules that one step of the counter usually is (2^-14)."""
FASTEST: Final = 100.0
"""Counters are renewed every millisecond, unevenly: an energy over less than ten of them is uncertain by a tenth."""


@dataclass(frozen=True)
class Zone:
    """label: as it is, with the package before the name of a part of it ("package-0/core")."""

    label: str
    folder: Path

    @property
    def limit(self) -> float | None:
        """Joules at which the counter wraps; None where that may not be read."""
        return read_number(self.folder / "max_energy_range_uj", 1e-6) or None


class Zones:
    """Joules of several zones together."""

    def __init__(self, facts: Facts, zones: list[Zone]) -> None:
        self.facts = facts
        self._counters = [(NumberFile(zone.folder / "energy_uj", 1e-6), Counter(zone.limit)) for zone in zones]

    @property
    def lost(self) -> int:
        return sum(counter.lost for _, counter in self._counters)

    def read(self) -> float:
        return sum(counter.advance(file.read(), time.monotonic()) for file, counter in self._counters)

    def close(self) -> None:
        for file, _ in self._counters:
            file.close()


def find(system: System) -> Iterator[Zones]:
    """Packages and their memory together first, then every zone."""
    zones = list(_zones(system))
    if not zones:
        raise Absent("no intel-rapl zones under sys/class/powercap (an x86 CPU, and no virtual machine, has them)")
    listed = choose_listed([zone.label for zone in zones], "rapl", system.rails)
    together = [zones[i] for i in listed.indices] if listed else [zone for zone in zones if _is_summed(zone)]
    if together:
        what = f"{' + '.join(zone.label for zone in together)}: the CPU, not the board around it"
        yield _sensor("rapl", what, together)
    for zone in zones:
        yield _sensor(f"rapl:{zone.label}", f"{zone.label} alone", [zone])


def _zones(system: System) -> Iterator[Zone]:
    """The same package through mmio, too, is left out where it is known otherwise."""
    known = set()
    for folder in system.glob(*PLACES):
        parent, _, index = folder.name.partition(":")
        name = read_text(folder / "name")
        if name is None:
            continue
        if ":" in index:
            above = read_text(folder.parent / f"{parent}:{index.split(':')[0]}" / "name")
            name = f"{above}/{name}"
        if name not in known:
            known.add(name)
            yield Zone(name, folder)


def _is_summed(zone: Zone) -> bool:
    """Packages, and their memory; with a die in the name there is a package for each, and no other."""
    package, _, part = zone.label.partition("/")
    return package.startswith("package") and part in ("", "dram")


def _sensor(name: str, what: str, zones: list[Zone]) -> Zones:
    unlimited = [zone.label for zone in zones if zone.limit is None]
    notes = (
        [f"where {', '.join(unlimited)} wraps may not be read: energy across a wrap is left out"] if unlimited else []
    )
    facts = Facts(
        name=name,
        what=what,
        quantity="energy",
        whole=False,
        resolution=UNIT * len(zones),
        fastest=FASTEST,
        notes=tuple(notes),
    )
    return Zones(facts, zones)


SOURCE = Source(name="rapl", title="RAPL energy counters of x86 CPUs", find=find)
