"""Which formats are known, and reading a file in one of them."""

from __future__ import annotations

from array import array
from importlib import import_module
from pathlib import Path
from typing import Final

import numpy as np

from ..source import SensorError
from ..trace import Trace
from .beginning import Beginning
from .format import BinaryFormat, Format, Reader, Sample, Settings, TextFormat

FORMATS: Final = (
    "mlperf_tiny",
    "ppk2_archive",
    "ppk2_csv",
    "joulescope",
    "joulescope_jls",
    "otii",
    "monsoon",
    "fnirsi",
    "shelly_log",
    "generic",
)
"""The files of this folder that declare one. The first that knows a file's beginning reads it."""
HEADER_LINES: Final = 20
"""A header comes among the first lines, if at all."""
BAD: Final = 0.05
"""Of the rows that may hold no numbers."""


def formats() -> list[Format]:
    return [import_module(f".{name}", __package__).FORMAT for name in FORMATS]


def find_format(name: str) -> Format:
    """The format of that name; SensorError names those that there are."""
    found = next((format for format in formats() if format.name == name), None)
    if found is None:
        raise SensorError(f"there is no format '{name}'; known are {', '.join(each.name for each in formats())}")
    return found


def read_recording(path: Path, name: str | None = None, settings: Settings = Settings()) -> tuple[Format, Trace]:  # noqa: B008
    """What a meter recorded, and in which format that is; name: the format, None to tell it from the file.

    SensorError where the file cannot be read, is of no known format, or holds no two samples.
    """
    candidates = formats() if name is None else [find_format(name)]
    try:
        with path.open("rb") as file:
            head = file.read(64)
        if not head:
            raise SensorError(f"{path} is empty")
        for format in candidates:
            trace = _load(path, format, head, settings, certain=name is not None)
            if trace is not None:
                return format, trace
    except OSError as error:
        raise SensorError(f"cannot read {path}: {error.strerror}") from None
    known = ", ".join(format.name for format in formats())
    wanted = f"a recording in the format {name}" if name else f"a recording in a known format ({known})"
    raise SensorError(f"{path} is not {wanted}; for a table without names, --columns says its units, as in ms,mW")


def _load(path: Path, format: Format, head: bytes, settings: Settings, *, certain: bool) -> Trace | None:
    if isinstance(format, BinaryFormat):
        return format.load(path, settings) if format.matches(head) else None
    if b"\0" in head:
        return None
    # A list of the samples would take ten times the memory.
    values, rows = array("d"), 0
    reader: Reader | None = None
    beginning, refused = Beginning(format, settings), ""
    with path.open(encoding="utf-8-sig", errors="replace") as lines:
        for index, line in enumerate(lines):
            if not line.strip():
                continue
            if reader is None:
                if index >= HEADER_LINES:
                    return None
                reader = beginning.look(line)
                if reader is None:
                    continue
            sample = reader.read(line)
            rows += 1
            if sample is not None:
                values.extend(sample)
            elif rows > 1 and not refused:
                refused = f"; the first that does not: {line.strip()[:80]!r}"
    if reader is None:
        return None
    count = len(values) // len(Sample._fields)
    if count < 2:
        raise SensorError(f"{path} holds {count} samples ({format.title}): two at least are wanted{refused}")
    if rows - count > BAD * rows + 2:
        raise SensorError(f"{path}: {rows - count} of {rows} rows hold no numbers ({format.title}){refused}")
    return to_trace(format, reader, np.frombuffer(values, np.float64).reshape(count, -1))


def to_trace(format: TextFormat, reader: Reader, samples: np.ndarray) -> Trace:
    """samples: float64 (n, 3), the fields of `Sample`. SensorError where the rows have no times, or one alone."""
    times, watts, joules = samples.T
    if np.isnan(times).any():
        times = _own_times(reader, format)
    if format.repair is not None:
        times = format.repair(times)
    if not (times != times[0]).any():
        raise SensorError(f"all rows have the same time, {times[0]:g} s ({format.title})")
    if np.isnan(joules).any():
        return Trace.of_power(times, watts)
    trace = Trace.of_energy(times, joules)
    # Where the energy was set back, the power in between is still known.
    if trace.lost.any() and not np.isnan(watts).any():
        by_power = Trace.of_power(times, watts)
        filled = np.where(trace.lost, by_power.joules, trace.joules)
        return Trace(trace.times, filled, trace.lost & by_power.lost)
    return trace


def _own_times(reader: Reader, format: TextFormat) -> np.ndarray:
    times = getattr(reader, "times", None)
    if times is None:
        raise SensorError(f"rows without a time ({format.title}): such a meter can only be read while it measures")
    found: np.ndarray = times()
    return found
