"""What the columns of a table are, from their names: a quantity and its unit."""

from __future__ import annotations

import re
from typing import Final, Literal, NamedTuple

Kind = Literal["time", "volts", "amperes", "watts", "joules"]
PREFIXES: Final = {"": 1.0, "m": 1e-3, "u": 1e-6, "µ": 1e-6, "μ": 1e-6, "n": 1e-9, "k": 1e3}
UNITS: Final[dict[str, tuple[Kind, float]]] = {
    "s": ("time", 1.0),
    "sec": ("time", 1.0),
    "seconds": ("time", 1.0),
    "A": ("amperes", 1.0),
    "V": ("volts", 1.0),
    "W": ("watts", 1.0),
    "J": ("joules", 1.0),
    "Ws": ("joules", 1.0),
    "Wh": ("joules", 3600.0),
}
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
SUFFIXED: Final = re.compile(r"(.*)_([a-zA-Zµμ]+)")


class Column(NamedTuple):
    """place: where it is in a row. kind, scale: what it holds, and what makes it seconds, volts and so on. known:
    whether its name says the unit."""

    place: int
    kind: Kind
    scale: float
    known: bool


def understand(index: int, name: str) -> Column | None:
    """The column of that name, None where it is of no use: `Time (ms)`, `Current(uA)`, `power_mW`, `p`."""
    name = name.strip().strip('"').strip()
    for form in (BRACKETED, SUFFIXED):
        found = form.fullmatch(name)
        if found is not None:
            unit = measure(found[2])
            if unit is not None and _agrees(found[1], unit[0]):
                return Column(index, *unit, True)
    kind = WORDS.get(_last_word(BRACKETED.sub(r"\1", name)))
    return None if kind is None else Column(index, kind, 1.0, False)


def measure(unit: str) -> tuple[Kind, float] | None:
    """What a unit measures, and how much of the plain unit it is; None for none of these."""
    for length in (0, 1):
        prefix, rest = unit[:length], unit[length:]
        if prefix in PREFIXES and rest in UNITS:
            kind, scale = UNITS[rest]
            return kind, scale * PREFIXES[prefix]
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
