"""Otii Arc and Ace, exported as CSV: quoted names such as "Arc Main Current (A)", after a "Timestamp" in seconds or a
"Wall-clock time (UTC)"; energy accumulates."""

from __future__ import annotations

import re
from typing import Final

from .format import Reader, Settings, TextFormat
from .table import begin_table

CHANNEL: Final = re.compile(r'"?\s*(?:Arc|Ace) Main (?:Current|Voltage|Power|Energy) \(', re.IGNORECASE)


def begin(line: str, settings: Settings) -> Reader | None:
    return begin_table(line, settings, "Otii") if CHANNEL.search(line) else None


FORMAT = TextFormat(name="otii", title="Qoitech Otii Arc and Ace, exported as CSV", begin=begin)
