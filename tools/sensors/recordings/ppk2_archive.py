"""Nordic Power Profiler Kit II's own `.ppk2`: a ZIP of `session.raw` (frames of a float32 current in microamperes and a
uint16 of digital inputs, little endian) and `metadata.json`, which holds the sampling rate."""

from __future__ import annotations

import json
import zipfile
from pathlib import Path
from typing import Any, Final

import numpy as np

from ..source import SensorError
from ..trace import Trace
from .format import BinaryFormat, Settings

FRAME: Final = np.dtype([("microamperes", "<f4"), ("digital", "<u2")])
RATES: Final = ("samplesPerSecond", "samplingRate", "sampling_rate", "sampleRate")
MOST: Final = 8 << 30
"""Bytes of a recording: four hours at full rate."""


def load(path: Path, settings: Settings) -> Trace:
    if settings.volts is None:
        raise SensorError(f"{path}: PPK2 recordings hold the current alone: say the supply's voltage with --volts")
    try:
        with zipfile.ZipFile(path) as archive:
            rate = _rate(json.loads(archive.read("metadata.json")))
            size = archive.getinfo("session.raw").file_size
            if size > MOST:
                raise SensorError(f"{path}: {size} bytes of samples are too many to read at once")
            raw = archive.read("session.raw")
    except (zipfile.BadZipFile, KeyError, ValueError) as error:
        raise SensorError(f"{path} is no sound .ppk2 file: {error}") from None
    current = np.frombuffer(raw, FRAME, count=len(raw) // FRAME.itemsize)["microamperes"].astype(np.float64)
    good = np.isfinite(current)
    if good.sum() < 2:
        raise SensorError(f"{path} holds {good.sum()} samples: two at least are wanted")
    times = np.arange(len(current)) / rate
    return Trace.of_power(times[good], current[good] * 1e-6 * settings.volts)


def _rate(metadata: Any) -> float:
    """Samples a second, wherever in the metadata they are."""
    places = [metadata, *(part for part in metadata.values() if isinstance(part, dict))] if metadata else []
    for place in places:
        for name in RATES:
            if isinstance(place.get(name), (int, float)) and place[name] > 0:
                return float(place[name])
    raise ValueError("metadata.json names no sampling rate")


FORMAT = BinaryFormat(
    name="ppk2-archive", title="Nordic PPK2's .ppk2", matches=lambda head: head.startswith(b"PK\x03\x04"), load=load
)
