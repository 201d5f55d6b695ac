"""A report as CSV: one figure a line, with the run and the row that it is of."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from .contents import Named, sections

HEAD = ("run", "table", "row", "figure", "value", "text")
FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""How a cell begins that a spreadsheet computes; names in run files come from anywhere."""


def write_csv(runs: Sequence[Named]) -> str:
    """value: in seconds, joules, bytes, watts; empty where there is but text."""
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\r\n")
    writer.writerow(HEAD)
    for section in sections(runs):
        for table in section.tables:
            for row in table.rows:
                of = section.run.name if section.run is not None else row[0].text
                for name, cell in zip(table.columns[1:], row[1:], strict=True):
                    value = "" if cell.value is None else repr(cell.value)
                    figure = name.removeprefix(">")
                    writer.writerow([*map(_safe, (of, table.title, row[0].text, figure)), value, _safe(cell.text)])
    return written.getvalue()


def _safe(text: str) -> str:
    shown = "".join(letter if letter.isprintable() else " " for letter in text)
    return f"'{shown}" if shown.startswith(FORMULA) and shown != "-" else shown
