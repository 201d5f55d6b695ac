"""Monsoon power monitors, exported as CSV: `Time (s)`, `Main Avg Current (mA)`, `Main Avg Voltage (V)`. Maxima and the
USB and Aux channels are left out; so are rows with empty cells."""

from __future__ import annotations

from collections.abc import Sequence

from .format import Reader, Settings, TextFormat
from .table import Named, begin_table


def begin(line: str, settings: Settings) -> Reader | None:
    if "Main Avg Current" not in line:
        return None
    return begin_table(line, settings, "Monsoon", _main)


def _main(named: Sequence[Named]) -> Sequence[Named]:
    return [each for each in named if "Time" in each[1] or "Main Avg" in each[1]]


FORMAT = TextFormat(name="monsoon", title="Monsoon power monitor, exported as CSV", begin=begin)
