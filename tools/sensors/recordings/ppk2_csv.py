"""Nordic Power Profiler Kit II, exported as CSV: milliseconds and microamperes at up to 100 kHz, and eight digital
inputs that are not used here. The voltage is not in the file."""

from __future__ import annotations

from .format import Reader, Settings, TextFormat
from .table import begin_table


def begin(line: str, settings: Settings) -> Reader | None:
    if not line.startswith("Timestamp(ms),Current(uA)"):
        return None
    return begin_table(line, settings, "PPK2")


FORMAT = TextFormat(name="ppk2", title="Nordic PPK2, exported as CSV", begin=begin)
