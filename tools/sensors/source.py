"""What a kind of sensor is made of, and what every sensor says about itself."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, Protocol

from ...device_profiles import Rail
from ...runtime.errors import Error

Quantity = Literal["power", "energy"]
PROGRAM_SECONDS: Final = 2.0
"""A program that a sensor is read by has to answer within this time."""
SHOWN: Final = 120
"""Characters of an answer that an error shows."""


class SensorError(Error):
    """A sensor is not there, cannot be read or gives no numbers; the text says why and the way out."""


class Absent(SensorError):
    """This computer has no sensor of a kind, in contrast to one that is there and cannot be used."""


class ReadError(Exception):
    """One reading failed, or is no number; the next may be good."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What is known of a sensor before it is read.

    name: what `--source` chooses it by. what: what its number covers, in words. quantity: whether a reading is a power
    in watts or an energy in joules that accumulates. whole: whether that is everything the device takes. resolution:
    the smallest step of a reading, in watts or joules. fastest: readings a second beyond which nothing new is seen.
    notes: what a reader of the figure should know.
    """

    name: str
    what: str
    quantity: Quantity
    whole: bool
    resolution: float
    fastest: float
    notes: tuple[str, ...] = ()


class Sensor(Protocol):
    """Something open that gives numbers.

    lost: how often so far the energy since the reading before is unknown (a counter was reset, or may have wrapped
    more than once). Sensors of power leave it 0.
    """

    @property
    def facts(self) -> Facts: ...

    @property
    def lost(self) -> int: ...

    def read(self) -> float:
        """Watts now, or joules since the sensor was opened, as `facts.quantity` says. Raises ReadError or OSError."""

    def close(self) -> None: ...


@dataclass(frozen=True)
class System:
    """The computer whose sensors are looked for. root: the folder that holds its sys, proc and usr. rails: those of its
    board, where they are known."""

    root: Path = Path("/")
    rails: tuple[Rail, ...] = ()

    def glob(self, *patterns: str) -> Iterator[Path]:
        """What matches, each place once, whatever links lead there; in order of name, 9 before 10."""
        seen = set()
        for pattern in patterns:
            for path in sorted(self.root.glob(pattern), key=_natural):
                real = os.path.realpath(path)
                if real not in seen:
                    seen.add(real)
                    yield path

    def program(self, name: str) -> str | None:
        """The path of a program, None where it is not installed."""
        if self.root == Path("/"):
            return shutil.which(name)
        inside = self.root / "usr" / "bin" / name
        return str(inside) if os.access(inside, os.X_OK) else None


def run_program(*command: str) -> str:
    """What a program writes to standard output. ReadError where it fails or takes too long."""
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=PROGRAM_SECONDS, errors="replace")
    except subprocess.TimeoutExpired:
        raise ReadError(f"{os.path.basename(command[0])}: no answer within {PROGRAM_SECONDS:g} s") from None
    except OSError as error:
        raise ReadError(f"{os.path.basename(command[0])}: {error.strerror}") from None
    if done.returncode:
        said = quoted(done.stderr or done.stdout) or f"exit status {done.returncode}"
        raise ReadError(f"{os.path.basename(command[0])}: {said}")
    return done.stdout


def quoted(answer: str) -> str:
    """The beginning of what a program or a meter said, for an error that is one line."""
    return " ".join(answer.split())[:SHOWN]


@dataclass(frozen=True, kw_only=True)
class Source:
    """One kind of sensor.

    name: what `--source` knows it by. title: in words. find: opens those that are there; raises SensorError where there
    are none, or they cannot be used, saying why. address: how `NAME:ADDRESS` is written for kinds that cannot be looked
    for, and `open` opens one at such an address.
    """

    name: str
    title: str
    find: Callable[[System], Iterable[Sensor]] | None = None
    address: str = ""
    open: Callable[[System, str], Sensor] | None = None


def _natural(path: Path) -> list[tuple[bool, int, str]]:
    parts: list[tuple[bool, int, str]] = []
    digits = ""
    for letter in [*str(path), ""]:
        if letter.isdecimal():
            digits += letter
            continue
        if digits:
            parts.append((False, int(digits), ""))
            digits = ""
        parts.append((True, 0, letter))
    return parts
