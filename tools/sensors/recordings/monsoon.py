"""Monsoon power monitors, exported as CSV: `Time (s)`, `Main Avg Current (mA)`, `Main Avg Voltage (V)`. Maxima and the
USB and Aux channels are left out; so are rows with empty cells."""

from __future__ import annotations

from .format import Reader, Settings, TextFormat
from .table import begin_table


def begin(line: str, settings: Settings) -> Reader | None:
    if "Main Avg Current" not in line:
        return None
    return begin_table(line, settings, "Monsoon", lambda name: "Time" in name or "Main Avg" in name)


FORMAT = TextFormat(name="monsoon", title="Monsoon power monitor, exported as CSV", begin=begin)
