"""A Shelly plug or relay in the mains lead, asked over the network: good for means over minutes.

Generation 2 and newer answer `/rpc/Switch.GetStatus`, generation 1 `/status`. Their power is renewed about once a
second and has steps of 0.1 W.
"""

from __future__ import annotations

import json
import math
import urllib.error
import urllib.request
from typing import Any, Final

from ..source import Facts, ReadError, SensorError, Source, System

SECONDS: Final = 2.0
MOST: Final = 1 << 20
PATHS: Final = ("/rpc/Switch.GetStatus?id=0", "/status")


class Plug:
    """Watts."""

    lost = 0

    def __init__(self, address: str) -> None:
        base = address if "://" in address else f"http://{address}"
        self._url = ""
        reasons = []
        for path in PATHS:
            self._url = base.rstrip("/") + path
            try:
                self.read()
                break
            except (ReadError, OSError) as error:
                reasons.append(str(error))
        else:
            raise SensorError(f"shelly:{address}: {reasons[0]}")
        self.facts = Facts(
            name=f"shelly:{address}",
            what="what is plugged into the Shelly, its power supply included",
            quantity="power",
            whole=True,
            resolution=0.1,
            fastest=1.0,
            notes=("mains power: the losses of the power supply are in it",),
        )

    def read(self) -> float:
        try:
            with urllib.request.urlopen(self._url, timeout=SECONDS) as answer:
                return power(json.loads(answer.read(MOST)))
        except (urllib.error.URLError, ValueError) as error:
            raise ReadError(f"{self._url}: {error}") from None

    def close(self) -> None:
        pass


def power(status: Any) -> float:
    """Watts from a status of either generation, or a notification of one. ReadError where it holds none."""
    found: Any = None
    if isinstance(status, dict):
        params = status.get("params")
        if isinstance(params, dict):
            return power(next((part for key, part in params.items() if key.startswith("switch:")), None))
        meters = status.get("meters")
        found = status.get("apower")
        if found is None and isinstance(meters, list) and meters and isinstance(meters[0], dict):
            found = meters[0].get("power")
    if isinstance(found, bool) or not isinstance(found, (int, float)) or not math.isfinite(found):
        raise ReadError("a Shelly's status without its power (apower, or meters[0].power)")
    return float(found)


def open_plug(system: System, address: str) -> Plug:
    return Plug(address)


SOURCE = Source(name="shelly", title="a Shelly plug or relay", address="HOST", open=open_plug)
