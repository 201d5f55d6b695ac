"""MLPerf Tiny's energy traces: a byte 0xF1, the sampling rate as float32, then microjoules a sample as float32, all
little endian."""

from __future__ import annotations

import math
import struct
from pathlib import Path

import numpy as np

from ..source import SensorError
from ..trace import Trace
from .format import BinaryFormat, Settings

MAGIC = b"\xf1"
HEAD = 5


def load(path: Path, settings: Settings) -> Trace:
    data = path.read_bytes()
    rate = struct.unpack_from("<f", data, 1)[0] if len(data) >= HEAD else 0.0
    if not (math.isfinite(rate) and rate > 0):
        raise SensorError(f"{path} is no MLPerf Tiny trace: its sampling rate is {rate}")
    if (len(data) - HEAD) % 4:
        raise SensorError(f"{path} is damaged: it ends within a sample")
    microjoules = np.frombuffer(data, "<f4", offset=HEAD).astype(np.float64)
    if not len(microjoules) or not np.isfinite(microjoules).all():
        raise SensorError(f"{path} is damaged: it holds {'no samples' if not len(microjoules) else 'no numbers'}")
    return Trace.of_bins(rate, microjoules * 1e-6)


FORMAT = BinaryFormat(
    name="mlperf-tiny", title="MLPerf Tiny's energy trace", matches=lambda head: head.startswith(MAGIC), load=load
)
