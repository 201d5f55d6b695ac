"""What a quantized model may cost, as users write it."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ...runtime.arguments import text
from ...runtime.errors import InputError
from ...runtime.model import Model

UNITS: Mapping[str, Mapping[str, float]] = {
    "size": {"B": 1, "KB": 1e3, "MB": 1e6, "KiB": 1 << 10, "MiB": 1 << 20},
    "latency": {"s": 1, "ms": 1e-3, "us": 1e-6},
    "energy": {"J": 1, "mJ": 1e-3, "uJ": 1e-6},
}
"""By what is limited, in bytes, seconds and joules."""
PATTERN = re.compile(r"(\w+)=([0-9]*\.?[0-9]+)\s*([A-Za-z]+)")


@dataclass(frozen=True, slots=True)
class Budget:
    """what: of UNITS. limit: in bytes, seconds or joules. cost: what a finished model takes of that. where: the device
    that the cost is meant for, nothing for a size."""

    what: str
    limit: float
    cost: Callable[[Model], float]
    where: str = ""

    def text(self, cost: float) -> str:
        """With its unit."""
        if self.what == "size":
            return f"{cost:,.0f} bytes"
        return f"{cost * 1e3:.3g} {'ms' if self.what == 'latency' else 'mJ'}"


def parse(text: str) -> tuple[str, float]:
    """ "size=200KB" as what is limited and how far, in bytes, seconds or joules; InputError where it is none."""
    found = PATTERN.fullmatch(text.strip())
    units = UNITS.get(found[1]) if found is not None else None
    if found is None or units is None or found[3] not in units or not float(found[2]):
        known = ", ".join(f"{what} ({', '.join(each)})" for what, each in UNITS.items())
        raise InputError(f"budget '{text}': a limit is wanted such as size=200KB, latency=5ms or energy=2mJ; known are "
                         f"{known}")  # fmt: skip
    return found[1], float(found[2]) * units[found[3]]


def given(budget: str | Budget) -> Budget:
    """Of a text, which may be a size: InputError for other limits, which take a device to predict them for."""
    if isinstance(budget, Budget):
        return budget
    what, limit = parse(text("budget", budget))
    if what != "size":
        raise InputError(f"a budget of {what} is for a device: mj.budget('{budget}', profile='raspberry-pi-4')")
    return Budget(what, limit, file_bytes)


def file_bytes(model: Model) -> float:
    """Of the .mj file."""
    from ...runtime.file.write import serialize

    return float(len(serialize(model.graph, model.written_metadata())))
