"""Numbers in small files of the kernel, which are opened once and read over and over."""

from __future__ import annotations

import errno
import math
import os
import re
from pathlib import Path
from typing import Final

from .source import ReadError, SensorError

MOST: Final = 64
"""Bytes of the longest number; a larger buffer costs more than the reading."""
NUMBER: Final = re.compile(rb"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)\s*([a-zA-Z]*)\s*")
UNITS: Final = {"n": 1e-9, "u": 1e-6, "m": 1e-3, "": 1.0, "k": 1e3}


class NumberFile:
    """A file that holds one number. scale: what a plain number is multiplied with, to have watts, volts and so on.

    Some drivers write the unit too ("32760 ma"), which then counts instead of scale.
    """

    def __init__(self, path: Path, scale: float = 1.0) -> None:
        self.path, self._scale = path, scale
        try:
            self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise SensorError(refusal(path, error)) from None

    def read(self) -> float:
        text = os.pread(self._file, MOST, 0)
        try:
            return int(text) * self._scale
        except ValueError:
            return _parse(self.path, text, self._scale)

    def close(self) -> None:
        if self._file >= 0:
            os.close(self._file)
            self._file = -1


def read_text(path: Path) -> str | None:
    """What the file holds, without the spaces around it; None where it is not there or cannot be read."""
    try:
        return path.read_text(errors="replace").strip().rstrip("\0")
    except OSError:
        return None


def read_number(path: Path, scale: float = 1.0) -> float | None:
    """The file's number times scale (or in the unit it is written with); None where there is none to be read."""
    text = read_text(path)
    if text is None:
        return None
    try:
        return _parse(path, text.encode(), scale)
    except ReadError:
        return None


def refusal(path: Path, error: OSError) -> str:
    """Why a sensor's file cannot be read, and the way out."""
    if error.errno in (errno.EACCES, errno.EPERM):
        return f"{path} may not be read by this user: run as root, or let an administrator `chmod a+r {path}`"
    return f"cannot read {path}: {os.strerror(error.errno or errno.EIO)}"


def _parse(path: Path, text: bytes, scale: float) -> float:
    found = NUMBER.fullmatch(text)
    value = float(found[1]) if found else math.nan
    if found is None or not math.isfinite(value):
        raise ReadError(f"{path} holds no number: {text[:40]!r}")
    unit = found[2].decode().lower()
    if not unit:
        return value * scale
    # The last letters are the unit (W, V, A, J, ohm), what is before them its prefix.
    prefix = unit.removesuffix("ohm") if unit.endswith("ohm") else unit[:-1]
    if prefix not in UNITS:
        raise ReadError(f"{path} is in an unknown unit: {text[:40]!r}")
    return value * UNITS[prefix]
