"""What a format of recordings is, and what it can be asked for."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

import numpy as np

from ..trace import Trace


@dataclass(frozen=True)
class Settings:
    """What a file may not say itself. volts: the supply's voltage, where a meter records the current alone. columns:
    the units of time and power of a table without names, such as "ms,mW"."""

    volts: float | None = None
    columns: str | None = None


class Sample(NamedTuple):
    """One row. time: seconds, NaN where the row has none. watts, joules (that accumulate): NaN where it has none."""

    time: float
    watts: float = math.nan
    joules: float = math.nan


class Reader(Protocol):
    """Rows of one file, read one after another."""

    def read(self, line: str) -> Sample | None:
        """None for a line that holds no sample: an empty one, a repeated header, cells without numbers."""


@dataclass(frozen=True, kw_only=True)
class TextFormat:
    """A format of lines, which can also be read while a meter writes them.

    begin: a reader, where the line is one that such a file begins with; SensorError where it is and something is
    missing. repair: puts the times of a whole file's rows right, before they become a trace.
    """

    name: str
    title: str
    begin: Callable[[str, Settings], Reader | None]
    repair: Callable[[np.ndarray], np.ndarray] | None = None


@dataclass(frozen=True, kw_only=True)
class BinaryFormat:
    """A format that is read whole. matches: whether a file begins so (its first bytes are given)."""

    name: str
    title: str
    matches: Callable[[bytes], bool]
    load: Callable[[Path, Settings], Trace]


Format = TextFormat | BinaryFormat
