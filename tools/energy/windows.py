"""Which stretches of a recording count, as a file of timestamps says."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

from ...runtime.errors import InputError
from ..sensors.trace import Trace

UNIX = 1e8
"""Seconds beyond which a time is one of the calendar, and not since a recording's beginning."""


@dataclass(frozen=True)
class Bounds:
    """number: as MLPerf Tiny counts, which numbers what lies between windows, too. counts: whether it is a window."""

    number: int
    start: float
    end: float
    counts: bool


def read_windows(path: str, trace: Trace) -> list[Bounds]:
    """The windows of a JSON file, and what lies between them.

    MLPerf Tiny's is a list of times at which windows begin and end in turn, after the time at which the test began;
    lists of an even number of times, and lists of [start, end], are windows alone. Times count from the recording's
    first, or are calendar times (unix) where the recording's are. InputError names what is wrong.
    """
    try:
        value = json.loads(Path(path).read_bytes())
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is no JSON: {error}") from None
    bounds = _bounds(value)
    if not bounds:
        raise InputError(f"{path}: a list of times in seconds is wanted, or of pairs of them: [start, end, start, end]")
    first, last = float(trace.times[0]), float(trace.times[-1])
    shift = first if first > UNIX and max(each.end for each in bounds) < UNIX else 0.0
    bounds = [Bounds(each.number, each.start + shift, each.end + shift, each.counts) for each in bounds]
    for each in bounds:
        if each.end <= each.start:
            raise InputError(f"{path}: window {each.number} ends at {each.end:g} s, before it begins")
        if each.counts and (each.start < first - trace.period or each.end > last + trace.period):
            raise InputError(
                f"{path}: window {each.number} ({each.start:g} to {each.end:g} s) is not in the recording, which is "
                f"from {first:g} to {last:g} s"
            )
    return bounds


def whole(trace: Trace) -> list[Bounds]:
    return [Bounds(1, float(trace.times[0]), float(trace.times[-1]), True)]


def _bounds(value: Any) -> list[Bounds]:
    if not isinstance(value, list):
        return []
    if all(isinstance(pair, list) and len(pair) == 2 and all(map(_is_time, pair)) for pair in value):
        return [Bounds(index, float(start), float(end), True) for index, (start, end) in enumerate(value, 1)]
    if len(value) < 2 or not all(map(_is_time, value)):
        return []
    if len(value) % 2:
        steps = enumerate(pairwise(value), 1)
        return [Bounds(number, float(start), float(end), number % 2 == 0) for number, (start, end) in steps]
    pairs = enumerate(zip(value[::2], value[1::2], strict=True), 1)
    return [Bounds(number, float(start), float(end), True) for number, (start, end) in pairs]


def _is_time(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
