"""Any table with a time and a power, or with current and voltage: names with units where it has names, else time in
seconds and power in watts, or `unix_time A V W` as bench supplies are logged."""

from __future__ import annotations

from ..source import SensorError
from .columns import Column, measure
from .format import Reader, Settings, TextFormat
from .table import TableReader, begin_table, cells, number, separator_of

TOLERANCE = 0.05
"""Of the power, by which volts times amperes may be off where four nameless columns are taken for such."""


def begin(line: str, settings: Settings) -> Reader | None:
    separator = separator_of(line)
    found = cells(line, separator)
    try:
        values = [number(cell) for cell in found]
    except ValueError:
        return begin_table(line, settings, "such")
    if settings.columns is not None:
        return TableReader(separator, _units(settings.columns), settings)
    time = Column(0, "time", 1.0, False)
    if len(values) == 2:
        return TableReader(separator, [time, Column(1, "watts", 1.0, False)], settings)
    if len(values) == 4 and abs(values[1] * values[2] - values[3]) <= TOLERANCE * abs(values[3]) + 0.01:
        return TableReader(separator, [time, Column(3, "watts", 1.0, False)], settings)
    return None


def _units(text: str) -> list[Column]:
    """Of nameless columns, as --columns names them: "ms,mW"."""
    columns = []
    for index, unit in enumerate(text.split(",")):
        found = measure(unit.strip())
        if found is not None:
            columns.append(Column(index, *found, True))
        elif unit.strip() not in ("", "-"):
            raise SensorError(f"--columns {text}: '{unit.strip()}' is no unit; units such as s, ms, W, mW, A, uA, V, J")
    kinds = {column.kind for column in columns}
    if "time" not in kinds or not kinds & {"watts", "amperes", "joules"}:
        raise SensorError(f"--columns {text}: a time and a power, current or energy are wanted, as in ms,mW")
    return columns


FORMAT = TextFormat(name="table", title="a table of time and power", begin=begin)
