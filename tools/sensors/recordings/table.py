"""Rows of numbers under a header, from whatever program: cells, units, clocks."""

from __future__ import annotations

import csv
import math
import re
from collections.abc import Callable, Sequence
from datetime import datetime, timezone
from typing import Final

from ..source import SensorError
from .columns import Column, Kind, understand
from .format import Sample, Settings

CLOCKS: Final = ((1e17, 1e-9), (1e14, 1e-6), (1e11, 1e-3))
"""Unix times beyond these are in nano-, micro- and milliseconds."""
LARGE: Final = 1e30
FRACTION: Final = re.compile(r"\.(\d{1,9})")
CLOCK: Final = re.compile(r"(\d{1,2}):(\d{2}):(\d{2}(?:[.,]\d+)?)")
DECIMAL_COMMAS: Final = re.compile(r"[-+\d]\S*,\d\S*(?:\s+[-+]?\d+,\d+\S*)+")
GERMAN: Final = re.compile(r"(\d{1,2})\.(\d{1,2})\.(\d{4})")
DAY: Final = 86400.0


class TableReader:
    """Rows of a table whose columns are known."""

    def __init__(self, separator: str | None, columns: Sequence[Column], settings: Settings) -> None:
        self._separator, self._volts = separator, settings.volts
        # The first column of a kind counts, as a maximum or another channel may follow.
        self._by_kind: dict[Kind, Column] = {}
        for column in columns:
            self._by_kind.setdefault(column.kind, column)
        self._last = max(column.place for column in self._by_kind.values())
        self._midnights, self._before = 0, 0.0

    def read(self, line: str) -> Sample | None:
        # Recordings have millions of rows: numbers need no stripping.
        found = cells(line, self._separator) if '"' in line else line.split(self._separator)
        if len(found) <= self._last:
            return None
        try:
            time = self._by_kind.get("time")
            joules = self._by_kind.get("joules")
            return Sample(
                math.nan if time is None else self._time(found[time.place], time),
                self._watts(found),
                math.nan if joules is None else number(found[joules.place]) * joules.scale,
            )
        except ValueError:
            return None

    def _time(self, cell: str, column: Column) -> float:
        """A clock without a date begins again at midnight."""
        clock = CLOCK.fullmatch(cell.strip())
        if clock is None:
            return seconds(cell, column)
        value = 3600.0 * int(clock[1]) + 60.0 * int(clock[2]) + number(clock[3])
        self._midnights += value < self._before - DAY / 2
        self._before = value
        return value + DAY * self._midnights

    def _watts(self, found: Sequence[str]) -> float:
        if "watts" in self._by_kind:
            return self._value(found, "watts")
        if "amperes" not in self._by_kind:
            return math.nan
        volts = self._value(found, "volts") if "volts" in self._by_kind else self._volts
        assert volts is not None
        return self._value(found, "amperes") * volts

    def _value(self, found: Sequence[str], kind: Kind) -> float:
        column = self._by_kind[kind]
        return number(found[column.place]) * column.scale


Named = tuple[Column, str]
"""A column and its name."""


def begin_table(
    line: str, settings: Settings, name: str, accept: Callable[[Sequence[Named]], Sequence[Named]] = lambda named: named
) -> TableReader | None:
    """A reader for the table with this header, of those of its columns that are accepted; None where the line is no
    header with a time and a power, current or energy. SensorError where the voltage is missing."""
    separator = separator_of(line)
    named = enumerate(cells(line, separator))
    known = [(column, text) for index, text in named if (column := understand(index, text)) is not None]
    certain = {column.kind for column, _ in known if column.sure}
    columns = [column for column, _ in accept([each for each in known if each[0].sure or each[0].kind not in certain])]
    kinds = {column.kind for column in columns}
    if "time" not in kinds or not kinds & {"watts", "amperes", "joules"}:
        return None
    if not kinds & {"watts", "joules", "volts"} and settings.volts is None:
        raise SensorError(f"{name} recordings hold the current alone: say the supply's voltage with --volts")
    return TableReader(separator, columns, settings)


def separator_of(line: str) -> str | None:
    """None for spaces. A comma may also be the decimal point of numbers that spaces part."""
    found = next((mark for mark in "\t;|," if mark in line), None)
    return None if found == "," and DECIMAL_COMMAS.fullmatch(line.strip()) else found


def cells(line: str, separator: str | None) -> list[str]:
    if separator is None:
        return line.split()
    if '"' in line:
        return [cell.strip() for cell in next(csv.reader([line.strip()], delimiter=separator), [])]
    return [cell.strip() for cell in line.strip().split(separator)]


def number(cell: str) -> float:
    """ValueError for none, NaN, and what nothing measures. A comma may be the decimal point."""
    try:
        value = float(cell)
    except ValueError:
        value = float(cell.replace(",", "."))
    if not abs(value) < LARGE:
        raise ValueError(cell)
    return value


def seconds(cell: str, column: Column) -> float:
    """A time: a number in the column's unit, or a date (2026-12-31 or 31.12.2026) and time, UTC where it names no
    zone. ValueError for none."""
    try:
        value = number(cell)
    except ValueError:
        return _date(cell)
    if not column.known:
        value *= next((scale for least, scale in CLOCKS if value > least), 1.0)
    return value * column.scale


def _date(cell: str) -> float:
    text = cell.strip().replace("Z", "+00:00").replace(",", ".")
    text = GERMAN.sub(lambda found: f"{found[3]}-{found[2]:>02}-{found[1]:>02}", text)
    text = FRACTION.sub(lambda found: "." + found[1][:6].ljust(6, "0"), text)
    moment = datetime.fromisoformat(text)
    return (moment if moment.tzinfo else moment.replace(tzinfo=timezone.utc)).timestamp()
