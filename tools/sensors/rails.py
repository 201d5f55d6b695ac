"""Which of a board's rails make its total. A rail is one measured supply line, named as the board's maker did.

Two mistakes are common: adding the line that feeds the board to those behind it, and taking a line that merely sounds
like the whole (AGX Orin's VIN_SYS_5V0) for the total.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

from ...device_profiles import Rail
from .source import SensorError

TOTAL: Final = re.compile(r"VIN|(?:.*_)?IN|(?:.*[_ ])?(?:SYSTEM|TOTAL)(?:[_ ].*)?", re.IGNORECASE)
"""POM_5V_IN (Nano), VDD_IN (TX2, Xavier NX, Orin NX and Nano), VIN (Thor)."""
UNUSED: Final = re.compile(r"NC|N/C|", re.IGNORECASE)
"""Not connected; the kernel also names a sum of shunt voltages, which is no rail and has an index of its own."""


class Labelled(Protocol):
    @property
    def label(self) -> str: ...


R = TypeVar("R", bound=Labelled)
S = TypeVar("S")


@dataclass(frozen=True)
class Choice:
    """indices: the rails to add. whole: whether that is all the board takes. what: the same in words."""

    indices: tuple[int, ...]
    whole: bool
    what: str


def is_used(label: str) -> bool:
    return UNUSED.fullmatch(label) is None


def total_and_rails(
    sensor: str, rails: Sequence[R], listed: Sequence[Rail], make: Callable[[str, str, bool, list[R]], S]
) -> Iterator[S]:
    """The board's total first, then every rail that is connected.

    make: a sensor of its name, what it covers in words, whether that is all the board takes, and the rails to add.
    SensorError as `choose_total`.
    """
    choice = choose_total([rail.label for rail in rails], sensor, listed)
    yield make(sensor, choice.what, choice.whole, [rails[index] for index in choice.indices])
    for rail in rails:
        if is_used(rail.label):
            yield make(f"{sensor}:{rail.label}", f"{rail.label} alone", False, [rail])


def choose_total(labels: Sequence[str], sensor: str, listed: Sequence[Rail] = ()) -> Choice:
    """The rails whose sum is the board's total as nearly as they show it.

    listed: what is known of the board; what of it is this sensor's decides. Else it is the rail that by its name feeds
    the board, or without one the sum of all that are connected. SensorError where several say that they feed the board.
    """
    known = choose_listed(labels, sensor, listed)
    if known is not None:
        return known
    used = [index for index, label in enumerate(labels) if is_used(label)]
    feeding = [index for index in used if TOTAL.fullmatch(labels[index])]
    if len(feeding) > 1:
        named = [labels[index] for index in feeding]
        raise SensorError(
            f"several rails may be the total ({', '.join(named)}): choose one, as in --source NAME:{named[0]}"
        )
    if feeding:
        return _feeding(labels, feeding[0])
    if not used:
        raise SensorError("none of its rails is connected")
    return _together(labels, used)


def choose_listed(labels: Sequence[str], sensor: str, listed: Sequence[Rail]) -> Choice | None:
    """The total as the board's profile has it; None where it lists none of these rails."""
    feeding = {rail.label for rail in listed if rail.sensor == sensor and rail.total}
    known = {rail.label for rail in listed if rail.sensor == sensor}
    first = next((index for index, label in enumerate(labels) if label in feeding), None)
    if first is not None:
        return _feeding(labels, first)
    found = [index for index, label in enumerate(labels) if label in known]
    return _together(labels, found) if found else None


def _feeding(labels: Sequence[str], index: int) -> Choice:
    return Choice((index,), True, f"{labels[index]}, which feeds the whole board")


def _together(labels: Sequence[str], indices: Sequence[int]) -> Choice:
    return Choice(tuple(indices), False, f"{' + '.join(labels[index] for index in indices)}, without what has no rail")
