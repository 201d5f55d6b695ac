"""What the columns of a table are, from their names: a quantity and its unit."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

Kind = Literal["time", "volts", "amperes", "watts", "joules"]
PREFIXES: Final = {
    "": 1.0, "m": 1e-3, "u": 1e-6, "µ": 1e-6, "μ": 1e-6, "n": 1e-9, "k": 1e3,
    "milli": 1e-3, "micro": 1e-6, "nano": 1e-9, "kilo": 1e3,
}  # fmt: skip
UNITS: Final[dict[str, tuple[Kind, float]]] = {
    "s": ("time", 1.0), "sec": ("time", 1.0), "secs": ("time", 1.0), "second": ("time", 1.0), "seconds": ("time", 1.0),
    "min": ("time", 60.0), "minutes": ("time", 60.0), "h": ("time", 3600.0), "hours": ("time", 3600.0),
    "d": ("time", 86400.0), "days": ("time", 86400.0),
    "A": ("amperes", 1.0), "amps": ("amperes", 1.0), "amperes": ("amperes", 1.0),
    "V": ("volts", 1.0), "volts": ("volts", 1.0),
    "W": ("watts", 1.0), "watts": ("watts", 1.0),
    "J": ("joules", 1.0), "joules": ("joules", 1.0), "Ws": ("joules", 1.0), "Wh": ("joules", 3600.0),
}  # fmt: skip
LOWER: Final = {name.lower(): unit for name, unit in UNITS.items()}
ALONE: Final = frozenset({"min", "h", "d"})
"""Units that as a column's whole name are something else: a minimum, a digital input."""
WORDS: Final[dict[str, Kind]] = {
    "time": "time",
    "timestamp": "time",
    "unix_time": "time",
    "t": "time",
    "current": "amperes",
    "i": "amperes",
    "voltage": "volts",
    "v": "volts",
    "power": "watts",
    "p": "watts",
    "apower": "watts",
    "energy": "joules",
}
BRACKETED: Final = re.compile(r"(.*?)\s*[\(\[]\s*([^\)\]]*?)\s*[\)\]]\s*")
QUALIFIER: Final = re.compile(
    r"utc.*|gmt.*|local.*|iso.*|unix.*|epoch.*|avg|mean|average|total|main|rms|dc|", re.IGNORECASE
)
"""What stands in brackets behind a quantity and is no unit of it."""
SUFFIXED: Final = re.compile(r"(.*)_([a-zA-Zµμ]+)")


class Column(NamedTuple):
    """place: where it is in a row. kind, scale: what it holds, and what makes it seconds, volts and so on. known:
    whether its name says the unit. sure: whether it says the quantity, too."""

    place: int
    kind: Kind
    scale: float
    known: bool
    sure: bool = True


def understand(index: int, name: str) -> Column | None:
    """The column of that name, None where it is of no use: `Time (ms)`, `Current(uA)`, `power_mW`, `p`, `mW`."""
    name = name.strip().strip('"').strip()
    bracketed = BRACKETED.fullmatch(name)
    for found in (bracketed, SUFFIXED.fullmatch(name)):
        unit = None if found is None else measure(found[2])
        if found is not None and unit is not None and _agrees(found[1], unit[0]):
            return Column(index, *unit, True)
    if bracketed is not None:
        unit, word = measure(bracketed[2]), _last_word(bracketed[1])
        if unit is not None and word not in WORDS:
            return Column(index, *unit, True, sure=False)
        # A unit that is not known is not to be taken for the plain one.
        return Column(index, WORDS[word], 1.0, False) if word in WORDS and QUALIFIER.fullmatch(bracketed[2]) else None
    kind = WORDS.get(_last_word(name))
    if kind is not None:
        return Column(index, kind, 1.0, False)
    unit = None if name.lower() in ALONE else measure(name)
    return None if unit is None else Column(index, *unit, True)


def measure(unit: str) -> tuple[Kind, float] | None:
    """What a unit measures, and how much of the plain unit it is; None for none of these. Its letters may be small or
    large where that says nothing else: MW are no milliwatts."""
    found = _measure(unit, UNITS)
    if found is not None:
        return found
    found = _measure(unit.lower(), LOWER)
    return None if found is not None and "M" in unit and found[0] != "time" else found


def _measure(unit: str, units: Mapping[str, tuple[Kind, float]]) -> tuple[Kind, float] | None:
    for prefix, factor in PREFIXES.items():
        if unit.startswith(prefix) and unit[len(prefix) :] in units:
            kind, scale = units[unit[len(prefix) :]]
            return kind, scale * factor
    return None


def _agrees(name: str, kind: Kind) -> bool:
    """Whether a column's name may stand before its unit: `dp_V` is a signal line's voltage, which is not measured
    here."""
    word = _last_word(name)
    return WORDS.get(word) == kind or word in ("", "elapsed", "relative")


def _last_word(name: str) -> str:
    """One letter is a word only where it is the whole name."""
    words = re.split(r"[\s_-]+", name.strip().lower())
    return words[-1] if len(words) == 1 or len(words[-1]) != 1 else name
