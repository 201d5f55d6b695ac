"""FNIRSI FNB48, FNB58 and C1 through the logger of baryluk: spaces between columns, a header at each run that is
appended, 100 rows a second in packets of four, whose times step back at the borders of packets."""

from __future__ import annotations

import numpy as np

from .columns import Column
from .format import Reader, Settings, TextFormat
from .table import TableReader

HEADER = "timestamp sample_in_packet voltage_V current_A"
COLUMNS = (Column(0, "time", 1.0, True), Column(2, "volts", 1.0, True), Column(3, "amperes", 1.0, True))


def begin(line: str, settings: Settings) -> Reader | None:
    return TableReader(None, COLUMNS, settings) if line.split()[:4] == HEADER.split() else None


def repair(times: np.ndarray) -> np.ndarray:
    """Rows are in the order in which they were measured, so it is their times alone that are sorted."""
    return np.sort(times)


FORMAT = TextFormat(name="fnirsi", title="FNIRSI FNB48, FNB58 and C1 (baryluk's logger)", begin=begin, repair=repair)
