"""Joulescope's own `.jls` (version 2), as the Joulescope UI records it: power, or current and voltage, at up to two
million samples a second. The package pyjls reads it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np

from ..source import SensorError
from ..trace import Trace
from .format import BinaryFormat, Settings

MAGIC: Final = b"jlsfmt\r\n"
BLOCK: Final = 1 << 20
"""Samples that are read at once."""
BINS: Final = 1 << 22
"""Intervals that a trace may have: of longer recordings several samples make one."""
UNITS: Final = ("W", "A", "V")


def load(path: Path, settings: Settings) -> Trace:
    try:
        from pyjls import Reader
    except ImportError:
        raise SensorError(f"{path}: .jls files are read by the package pyjls: pip install pyjls") from None
    try:
        with Reader(str(path)) as reader:
            return _trace(path, reader, _signals(path, reader), settings)
    except (RuntimeError, ValueError, KeyError) as error:
        raise SensorError(f"{path} is no sound .jls file: {error}") from None


def _signals(path: Path, reader: Any) -> dict[str, Any]:
    """By unit, of the one meter that has some."""
    meters: dict[int, dict[str, Any]] = {}
    for signal in reader.signals.values():
        if signal.sample_rate and signal.length and signal.units in UNITS:
            meters.setdefault(signal.source_id, {}).setdefault(signal.units, signal)
    if len(meters) > 1:
        names = ", ".join(reader.sources[number].name for number in meters)
        raise SensorError(f"{path} holds recordings of several meters ({names}): record one of them alone")
    found = next(iter(meters.values()), {})
    if not {"W", "A"} & set(found):
        raise SensorError(f"{path} holds neither power nor current: record one of them, and the voltage")
    return found


def _trace(path: Path, reader: Any, signals: Mapping[str, Any], settings: Settings) -> Trace:
    used = [signals["W"]] if "W" in signals else [signals[unit] for unit in ("A", "V") if unit in signals]
    if len(used) == 1 and "W" not in signals and settings.volts is None:
        raise SensorError(f"{path} holds the current alone: say the supply's voltage with --volts")
    rate, count = used[0].sample_rate, min(signal.length for signal in used)
    if any(signal.sample_rate != rate for signal in used):
        raise SensorError(f"{path}: current and voltage were sampled at different rates")
    each = -(-count // BINS)
    parts, block = [], max(1, BLOCK // each) * each
    for first in range(0, count, block):
        wanted = min(block, count - first)
        watts = np.ones(wanted) if len(used) == 2 or "W" in signals else np.full(wanted, settings.volts)
        for signal in used:
            watts *= reader.fsr(signal.signal_id, first, wanted)
        edges = np.arange(0, wanted, each)
        good = np.isfinite(watts)
        held = np.add.reduceat(good, edges, dtype=np.int64)
        # Samples that were dropped are taken as the others of their interval.
        total = np.add.reduceat(np.where(good, watts, 0.0), edges)
        sizes = np.diff(edges, append=wanted)
        parts.append((sizes, total / np.maximum(held, 1) * sizes / rate, held == 0))
    sizes, joules, lost = (np.concatenate(column) for column in zip(*parts, strict=True))
    if lost.all() or count < 2:
        raise SensorError(f"{path} holds {count} samples, and none that is a number: two at least are wanted")
    # From 0: half a microsecond is no difference that unix times could tell.
    return Trace(np.concatenate([[0], np.cumsum(sizes)]) / rate, joules, lost)


FORMAT = BinaryFormat(
    name="joulescope-jls", title="Joulescope's .jls", matches=lambda head: head.startswith(MAGIC), load=load
)
