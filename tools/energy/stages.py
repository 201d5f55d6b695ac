"""What each stage of a cascade takes, and its memory: the ways of an inference differ by the stages that they ask, so
that a stage's energy is what its way takes more than the one before."""

from __future__ import annotations

import math
from collections.abc import Sequence

from ..report.energy_run import PerInference, Stage
from ..report.run_parts import Interval
from .ways import MEMORY, Way


def split(ways: Sequence[Way], measured: Sequence[PerInference]) -> list[Stage]:
    """Of the mean inference, whose energy the parts add up to. Stages that no input ends between cannot be told apart,
    and are one part. Nothing of a model that is no cascade."""
    found = [
        _part("memory", way.share, each.total_mj, each.above_idle_mj)
        for way, each in zip(ways, measured, strict=True)
        if way.name == MEMORY
    ]
    computed = sorted(
        ((way, each) for way, each in zip(ways, measured, strict=True) if way.ran), key=lambda pair: pair[0].ran
    )
    before: PerInference | None = None
    first = 0
    for at, (way, each) in enumerate(computed):
        name = f"stage {first}" if way.ran == first + 1 else f"stages {first} to {way.ran - 1}"
        asked = math.fsum(other.share for other, _ in computed[at:])
        found.append(
            _part(
                name,
                asked,
                _more(each.total_mj, None if before is None else before.total_mj),
                None
                if each.above_idle_mj is None
                else _more(each.above_idle_mj, None if before is None else before.above_idle_mj),
            )
        )
        first, before = way.ran, each
    return found


def _part(name: str, asked: float, total: Interval, above: Interval | None) -> Stage:
    return Stage(name=name, asked=asked, total_mj=total, above_idle_mj=above, mean_mj=asked * total.value)


def _more(found: Interval, before: Interval | None) -> Interval:
    """The difference of two independent figures."""
    if before is None:
        return found
    value = found.value - before.value
    if found.high is None or before.high is None:
        return Interval(value, None, None)
    half = math.hypot(found.high - found.value, before.high - before.value)
    return Interval(value, value - half, value + half)
