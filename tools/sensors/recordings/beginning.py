"""Finding where the rows of a text begin, and refusing rows under names that nobody understands."""

from __future__ import annotations

from typing import Final

from ..source import SensorError
from .format import Reader, Settings, TextFormat
from .table import cells, number, separator_of

SHOWN: Final = 200
"""Characters of a header that an error shows."""


class Beginning:
    """The first lines of a text, one after another."""

    def __init__(self, format: TextFormat, settings: Settings) -> None:
        self._format, self._settings, self._before = format, settings, ""

    def look(self, line: str) -> Reader | None:
        """What reads this line and all that follow; None where the rows have not begun yet. SensorError where numbers
        stand below names, which are then not to be taken as if they had none."""
        reader = self._format.begin(line, self._settings)
        if reader is not None and self._settings.columns is None and _names(self._before, line):
            raise SensorError(
                f"the columns '{self._before.strip()[:SHOWN]}' are not a time and a power, or current and voltage, by "
                "their names: write them with units, as in `Time (ms)` and `power_mW`, or say the units with "
                "--columns, as in ms,mW"
            )
        self._before = line
        return reader


def _names(before: str, line: str) -> bool:
    """Whether `before` names the columns of the numbers in `line`."""
    separator = separator_of(line)
    alike = len(cells(before.lstrip("# "), separator)) == len(cells(line, separator))
    return alike and _numbers(line) > 0 and not _numbers(before)


def _numbers(line: str) -> int:
    """How many cells hold numbers."""
    count = 0
    for cell in cells(line, separator_of(line)):
        try:
            number(cell)
        except ValueError:
            continue
        count += 1
    return count
