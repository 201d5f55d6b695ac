"""How sure a mean of a few windows is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

from ..report.run_parts import Interval

NORMAL: Final = 1.960
ENOUGH: Final = 10
"""Values of which some may be left out."""
# Student's t for 95 %, two-sided, with 1, 2, ... degrees of freedom.
STUDENT: Final = (
    *(12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228),
    *(2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086),
    *(2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042),
)


def student(freedom: int) -> float:
    """Half-width of the 95 % interval in standard errors."""
    if freedom < 1:
        return math.inf
    # The next term of the expansion about the normal distribution is below 1e-3 beyond the table.
    return STUDENT[freedom - 1] if freedom <= len(STUDENT) else NORMAL + 2.372 / freedom


def interval(values: Sequence[float], systematic: float) -> Interval:
    """The mean of values from windows of equal length. systematic: a standard uncertainty that all of them share. One
    value says nothing of how it scatters, and gets no bounds."""
    count = len(values)
    mean = math.fsum(values) / count
    if count < 2:
        return Interval(mean, None, None)
    error = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (count - 1) / count)
    half = math.hypot(student(count - 1) * error, NORMAL * systematic)
    return Interval(mean, mean - half, mean + half)


def mean(found: Sequence[Interval], shares: Sequence[float]) -> Interval:
    """The mean of independent figures, by shares that add up to 1."""
    value = math.fsum(share * each.value for share, each in zip(shares, found, strict=True))
    halves = [each.high - each.value for each in found if each.high is not None]
    if len(halves) < len(found):
        return Interval(value, None, None)
    half = math.hypot(*(share * each for share, each in zip(shares, halves, strict=True)))
    return Interval(value, value - half, value + half)


def geometric_mean(ratios: Sequence[float]) -> float:
    return math.exp(math.fsum(map(math.log, ratios)) / len(ratios))


def trimmed_interval(values: Sequence[float]) -> Interval:
    """The mean without the fifth of the values at either end, which other programs may have disturbed, and its bounds
    (Tukey and McLaughlin 1963). Of few values, which leave nothing to choose, all count."""
    cut = len(values) // 5 if len(values) >= ENOUGH else 0
    if not cut:
        return interval(values, 0.0)
    ordered, kept = sorted(values), len(values) - 2 * cut
    winsorized = [min(max(value, ordered[cut]), ordered[-cut - 1]) for value in ordered]
    trimmed, around = math.fsum(ordered[cut:-cut]) / kept, math.fsum(winsorized) / len(winsorized)
    squares = math.fsum((value - around) ** 2 for value in winsorized)
    half = student(kept - 1) * math.sqrt(squares / (kept * (kept - 1)))
    return Interval(trimmed, trimmed - half, trimmed + half)


def ratio_interval(ratios: Sequence[float]) -> Interval:
    """The geometric mean of paired ratios, and its bounds, both as of trimmed_interval: a paired test on the logarithms
    finds a difference where they leave 1 out."""
    found = trimmed_interval([math.log(ratio) for ratio in ratios])
    low, high = (None if bound is None else math.exp(bound) for bound in (found.low, found.high))
    return Interval(math.exp(found.value), low, high)


def differs(found: Interval) -> bool | None:
    return None if found.low is None or found.high is None else not found.low <= 1 <= found.high


def precision(found: Interval) -> float | None:
    """Half of the interval over the value."""
    if found.low is None or found.high is None or not found.value:
        return None
    return (found.high - found.low) / 2 / abs(found.value)
