"""Joulescope statistics, as `pyjoulescope_driver statistics` writes them: a row of means now and then, with the energy
since the beginning. Rows have no time but the number of their last sample; what one sample lasts follows from the
charge that a row's mean current adds."""

from __future__ import annotations

from typing import Final

import numpy as np

from ..source import SensorError
from .columns import Column
from .format import Reader, Sample, Settings, TextFormat
from .table import TableReader, cells, number

HEADER: Final = "#device,sampled_id,"
RATES: Final = (1e6, 2e6)
"""Samples a second of the JS220 and of the JS110."""


class Statistics:
    """Rows of statistics, whose times are told once there are some."""

    def __init__(self, names: list[str], settings: Settings) -> None:
        at = {name: index for index, name in enumerate(names)}
        columns = [Column(at["p_avg"], "watts", 1.0, True), Column(at["energy"], "joules", 1.0, True)]
        self._table = TableReader(",", columns, settings)
        self._places = at["sampled_id"], at["i_avg"], at["charge"]
        self.rows: list[tuple[float, float, float]] = []

    def read(self, line: str) -> Sample | None:
        sample = self._table.read(line)
        if sample is None:
            return None
        found = cells(line, ",")
        try:
            identity, current, charge = (number(found[place]) for place in self._places)
        except ValueError:
            return None
        self.rows.append((identity, current, charge))
        return sample

    def times(self) -> np.ndarray:
        """Seconds of the rows so far."""
        identity, current, charge = np.array(self.rows).T
        added = np.diff(charge)
        useful = (added > 0) & (current[1:] > 0)
        if not useful.any():
            raise SensorError("Joulescope statistics without a current: their time cannot be told")
        seconds = added[useful] / current[1:][useful]
        found = float(np.median(np.diff(identity)[useful] / seconds))
        rate = min(RATES, key=lambda rate: abs(found - rate))
        if abs(found - rate) > 0.05 * rate:
            raise SensorError(f"Joulescope statistics of {found:.3g} samples a second; 1 or 2 million are known")
        times: np.ndarray = identity / rate
        return times


def begin(line: str, settings: Settings) -> Reader | None:
    if not line.startswith(HEADER):
        return None
    names = [name.lstrip("#") for name in cells(line, ",")]
    lacking = {"i_avg", "p_avg", "charge", "energy"} - set(names)
    if lacking:
        raise SensorError(f"Joulescope statistics without {', '.join(sorted(lacking))}")
    return Statistics(names, settings)


FORMAT = TextFormat(name="joulescope", title="Joulescope statistics", begin=begin)
