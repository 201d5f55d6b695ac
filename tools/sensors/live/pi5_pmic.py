"""The power management chip of a Raspberry Pi 5, through `vcgencmd pmic_read_adc`.

Twelve rails have a current and a voltage; EXT5V and BATT have a voltage alone. One answer takes some 23 ms, so ten a
second. What the rails do not show (losses, USB devices, fans) is missing: the Pi takes more than the sum.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from typing import Final

from ....device_profiles import Rail
from ..rails import choose_listed
from ..source import Absent, Facts, ReadError, SensorError, Source, System, quoted, run_program

LINE: Final = re.compile(r"\s*(\w+)_([AV]) (?:current|volt)\(\d+\)=(\S+)[AV]\s*")
STEP: Final = 0.003
"""Watts: the step of VDD_CORE's 12-bit current at 0.9 V."""
FASTEST: Final = 10.0
NOTE: Final = "the sum of the rails is less than the Pi takes: losses, USB and fans are not in it (docs/energy.md)"


class Rails:
    """Watts of all rails that have a current, or of those that the board's profile lists."""

    lost = 0

    def __init__(self, program: str, listed: Sequence[Rail]) -> None:
        self._program = program
        found = list(parse(self._answer()))
        choice = choose_listed(found, "pi5-pmic", listed)
        self._names = found if choice is None else [found[index] for index in choice.indices]
        self.facts = Facts(
            name="pi5-pmic",
            what=f"the sum of {len(self._names)} rails behind the Pi's power chip",
            quantity="power",
            whole=False,
            resolution=STEP,
            fastest=FASTEST,
            notes=(NOTE,),
        )

    def read(self) -> float:
        watts = parse(self._answer())
        try:
            return sum(watts[name] for name in self._names)
        except KeyError as error:
            raise ReadError(f"vcgencmd: no rail {error}") from None

    def close(self) -> None:
        pass

    def _answer(self) -> str:
        return run_program(self._program, "pmic_read_adc")


def parse(text: str) -> dict[str, float]:
    """Watts by rail. ReadError where the answer is not the chip's, or a number of it is none."""
    found: dict[str, dict[str, float]] = {}
    for line in text.splitlines():
        match = LINE.fullmatch(line)
        if match is not None:
            try:
                found.setdefault(match[1], {})[match[2]] = float(match[3])
            except ValueError:
                raise ReadError(f"vcgencmd: no number: {quoted(line)}") from None
    rails = {name: values["A"] * values["V"] for name, values in found.items() if len(values) == 2}
    if not rails:
        raise ReadError(f"vcgencmd: {quoted(text) or 'no answer'}")
    odd = [name for name, watts in rails.items() if not math.isfinite(watts)]
    if odd:
        raise ReadError(f"vcgencmd: no number for {', '.join(odd)}")
    if any("A" in values and "V" not in values for values in found.values()):
        raise ReadError("vcgencmd: a current without its voltage")
    return rails


def find(system: System) -> Iterator[Rails]:
    program = system.program("vcgencmd")
    if program is None:
        raise Absent("no program vcgencmd (Raspberry Pi OS has it)")
    try:
        yield Rails(program, system.rails)
    except ReadError as error:
        reason = str(error)
        if "not registered" in reason:
            raise Absent("this Raspberry Pi has no such chip: only the Pi 5 can measure its power") from None
        if "vcio" in reason or "permission" in reason.lower():
            reason += "; add the user to the group video, and log in again"
        raise SensorError(reason) from None


SOURCE = Source(name="pi5-pmic", title="Raspberry Pi 5's power management chip (vcgencmd)", find=find)
