"""What a Shelly said over time, one JSON object a line: notifications, or statuses with a `ts` or `unixtime`."""

from __future__ import annotations

import json
import math
from typing import Any

from ..live.shelly import power
from ..source import ReadError
from .format import Reader, Sample, Settings, TextFormat


class Statuses:
    """Lines of JSON."""

    def read(self, line: str) -> Sample | None:
        try:
            status = json.loads(line)
            return Sample(_time(status), power(status))
        except (ValueError, ReadError):
            return None


def _time(status: Any) -> float:
    places = [status, status.get("params")]
    for place in places:
        for name in ("ts", "unixtime"):
            if isinstance(place, dict) and isinstance(place.get(name), (int, float)):
                return float(place[name])
    return math.nan


def begin(line: str, settings: Settings) -> Reader | None:
    reader = Statuses()
    return reader if line.lstrip().startswith("{") and reader.read(line) is not None else None


FORMAT = TextFormat(name="shelly-log", title="a Shelly's statuses, one JSON object a line", begin=begin)
