"""UM24C, UM25C and UM34C USB meters over their serial line (Bluetooth: `rfcomm bind`): a request of one byte, an answer
of 130, big endian.

The power field is in milliwatts everywhere; volts and amperes have one of two scales, which differs from model to model
and firmware to firmware: the one whose product is that power is the right one.
"""

from __future__ import annotations

import os
import select
import struct
import time
from typing import Final, NamedTuple

from ..source import Facts, ReadError, SensorError, Source, System

REQUEST: Final = b"\xf0"
LENGTH: Final = 130
SECONDS: Final = 2.0


MODELS: Final = {0x0963: "UM24C", 0x09C9: "UM25C", 0x0D4C: "UM34C"}
SCALES: Final = ((10e-3, 1e-3), (1e-3, 0.1e-3))
"""Volts and amperes that one step of the fields is."""


class Answer(NamedTuple):
    """What a meter measures, in volts, amperes and watts."""

    model: str
    volts: float
    amperes: float
    watts: float


def parse(data: bytes) -> Answer:
    """An answer of 130 bytes; ReadError where it is none, or its power is not that of its volts and amperes."""
    if len(data) != LENGTH:
        raise ReadError(f"an answer of {len(data)} bytes, not {LENGTH}")
    number, volts, amperes, milliwatts = struct.unpack_from(">HHHI", data)
    model = MODELS.get(number)
    if model is None:
        raise ReadError(f"an answer of an unknown model, 0x{number:04x}")
    watts = milliwatts * 1e-3
    for per_volt, per_ampere in SCALES:
        found = Answer(model, volts * per_volt, amperes * per_ampere, watts)
        step = found.volts * per_ampere + found.amperes * per_volt + 1e-3
        if abs(found.volts * found.amperes - watts) <= 2 * step:
            return found
    raise ReadError(f"a power of {watts:.3f} W, which its voltage ({volts}) times its current ({amperes}) is not")


class Meter:
    """Watts. path: the serial line's device."""

    lost = 0

    def __init__(self, path: str) -> None:
        try:
            self._file = os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise SensorError(f"cannot open {path}: {error.strerror}") from None
        try:
            if os.isatty(self._file):
                import tty

                tty.setraw(self._file)
            model = self._ask().model
        except (ReadError, OSError) as error:
            os.close(self._file)
            raise SensorError(f"um25c:{path}: {error}") from None
        self.facts = Facts(
            name=f"um25c:{path}",
            what=f"what the {model} feeds",
            quantity="power",
            whole=True,
            resolution=1e-3,
            fastest=2.0,
        )

    def read(self) -> float:
        return self._ask().watts

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _ask(self) -> Answer:
        # What is left of an answer that came too late would be taken for the next one's beginning.
        while select.select([self._file], [], [], 0)[0] and os.read(self._file, 4096):
            pass
        os.write(self._file, REQUEST)
        data, until = b"", time.monotonic() + SECONDS
        while len(data) < LENGTH:
            left = until - time.monotonic()
            if left <= 0 or not select.select([self._file], [], [], left)[0]:
                raise ReadError(f"no whole answer within {SECONDS:g} s: is the meter on, and the line its own?")
            part = os.read(self._file, LENGTH - len(data))
            if not part:
                raise ReadError("the line was closed")
            data += part
        return parse(data)


def open_meter(system: System, address: str) -> Meter:
    return Meter(address)


SOURCE = Source(name="um25c", title="a UM24C, UM25C or UM34C USB meter", address="DEVICE", open=open_meter)
