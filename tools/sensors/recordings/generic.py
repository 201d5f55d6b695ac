"""Any table with a time and a power, or with current and voltage: names with units where it has names, else time in
seconds and power in watts, or `unix_time A V W` as bench supplies are logged."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from ..source import SensorError
from .columns import Column, Kind, measure
from .format import Reader, Settings, TextFormat
from .table import Named, TableReader, begin_table, cells, number, separator_of

EXTREME: Final = re.compile(r"(?:.*[^a-z])?(?:max|min|maximum|minimum|peak|std|stddev)(?:[^a-z].*)?", re.IGNORECASE)
WHOLE: Final = re.compile(r"(?:.*[^a-z])?(?:total|sum|system|input|avg|average|mean)(?:[^a-z].*)?", re.IGNORECASE)
CHOSEN: Final[tuple[Kind, ...]] = ("watts", "joules", "amperes", "volts")
TOLERANCE: Final = 0.05
"""Of the power, by which volts times amperes may be off where four nameless columns are taken for such."""


def begin(line: str, settings: Settings) -> Reader | None:
    separator = separator_of(line)
    found = cells(line, separator)
    try:
        values = [number(cell) for cell in found]
    except ValueError:
        return None if settings.columns is not None else begin_table(line.lstrip("# "), settings, "such", _settled)
    if settings.columns is not None:
        return TableReader(separator, _units(settings.columns), settings)
    time = Column(0, "time", 1.0, False)
    if len(values) == 2:
        return TableReader(separator, [time, Column(1, "watts", 1.0, False)], settings)
    if len(values) == 4 and abs(values[1] * values[2] - values[3]) <= TOLERANCE * abs(values[3]) + 0.01:
        return TableReader(separator, [time, Column(3, "watts", 1.0, False)], settings)
    return None


def _settled(named: Sequence[Named]) -> Sequence[Named]:
    """One column of each kind. SensorError where several could be what is measured."""
    usual = [each for each in named if each[0].kind == "time" or not EXTREME.fullmatch(each[1])]
    found = list(usual if any(column.kind != "time" for column, _ in usual) else named)
    for kind in CHOSEN:
        rivals = [each for each in found if each[0].kind == kind]
        whole = [each for each in rivals if WHOLE.fullmatch(each[1])]
        if len(rivals) > 1 and len(whole) != 1:
            names = ", ".join(name for _, name in rivals)
            raise SensorError(
                f"several columns of the table are {kind} ({names}): say which counts with --columns, which names "
                "units by place and skips with -, as in ms,-,mW"
            )
        if len(whole) == 1:
            found = [each for each in found if each[0].kind != kind or each is whole[0]]
    return found


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
