"""How long a battery lasts."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from ...runtime.errors import InputError
from ..report.energy_run import Battery, Life

CAPACITY: Final = re.compile(r"([\d.]+)\s*(?:(m?)Wh|(m?)Ah\s*@\s*([\d.]+)\s*V)", re.IGNORECASE)


def watt_hours(text: str) -> float:
    """10Wh, 2500mAh@3.7V; InputError for anything else."""
    found = CAPACITY.fullmatch(text.strip())
    try:
        if found is None:
            raise ValueError
        amount = float(found[1]) * (1e-3 if found[2] or found[3] else 1.0) * float(found[4] or 1)
    except ValueError:
        amount = 0.0
    if amount <= 0:
        raise InputError(f"--battery {text}: a capacity is wanted, as in 10Wh or 2500mAh@3.7V")
    return amount


def lives(
    capacity: float,
    measured: tuple[float, float],
    idle: float | None,
    above: float | None,
    rates: Iterable[float],
    *,
    computed: bool = False,
) -> Battery:
    """capacity: watt-hours. measured: inferences a second, and the watts that they took. idle: watts, above: joules of
    one inference above idle, from which the life at other rates is computed; rates: those, as far as they are below the
    measured one. computed: whether the first was not measured either."""
    found = []
    if measured[1] > 0:
        hours = capacity / measured[1]
        found.append(Life(inferences_per_second=measured[0], watts=measured[1], hours=hours, computed=computed))
    if idle is not None and above is not None:
        for rate in rates:
            watts = idle + rate * max(0.0, above)
            if rate < measured[0] and watts > 0:
                found.append(Life(inferences_per_second=rate, watts=watts, hours=capacity / watts, computed=True))
    return Battery(watt_hours=capacity, lives=found)
