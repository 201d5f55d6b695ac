"""From a histogram to the range of real numbers that 256 integers are spread over."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np

from ...runtime.graph import Quantization
from .histogram import HALF, Histogram

Range = tuple[float, float]
LEVELS = 255
"""Steps between the least and the largest int8."""
SMALLEST = 1e-30
"""Of a scale: products of two still are float32 numbers."""
SHRINKS = np.linspace(1.0, 0.3, 29)


def quantization(limits: Range) -> Quantization:
    """int8, zero represented exactly, from the least to the largest number of the range (which takes in zero)."""
    low, high = min(limits[0], 0.0), max(limits[1], 0.0)
    scale = np.float32((high - low) / LEVELS)
    if not scale > SMALLEST:
        return Quantization.per_tensor(1.0 if high == low else SMALLEST, 0)
    zero_point = int(np.clip(np.rint(-128 - low / float(scale)), -128, 127))
    return Quantization.per_tensor(float(scale), zero_point)


def rounded(numbers: np.ndarray, quant: Quantization) -> np.ndarray:
    """What is left of numbers that were int8 in between, in their dtype."""
    scale, zero = quant.scale[0], int(quant.zero_point[0])
    steps = np.rint(numbers / scale.astype(numbers.dtype))
    return np.clip(steps, -128 - zero, 127 - zero) * scale.astype(numbers.dtype)


def min_max(histogram: Histogram) -> Range:
    return histogram.low, histogram.high


def percentile(share: float) -> Callable[[Histogram], Range]:
    """What holds the share of all numbers, the rest cut off: as much at one end as at the other, unless one end is
    zero, where nothing is cut."""

    def limits(histogram: Histogram) -> Range:
        middles, counts = histogram.filled()
        below = np.cumsum(counts)
        ends = 1 if histogram.low >= 0 or histogram.high <= 0 else 2
        cut = (1 - share) / ends * below[-1]
        low = middles[np.searchsorted(below, cut, "right")] if histogram.low < 0 else 0.0
        place = np.searchsorted(below, below[-1] - cut, "left")
        high = middles[min(int(place), middles.size - 1)] if histogram.high > 0 else 0.0
        return min(float(low), 0.0), max(float(high), 0.0)

    return limits


def squared_error(histogram: Histogram, quant: Quantization) -> float:
    """The sum over all numbers of what rounding and cutting them off does to each, squared."""
    middles, counts = histogram.filled()
    return float(counts @ np.square(rounded(middles, quant) - middles))


def least_squares(histogram: Histogram) -> Range:
    """The range whose rounding and cutting together lose the least, in the mean of the squares."""
    low, high = min(histogram.low, 0.0), max(histogram.high, 0.0)

    def loss(candidate: Range) -> float:
        return squared_error(histogram, quantization(candidate))

    low, high = min(((low * f, high * f) for f in SHRINKS), key=loss)
    if low < 0 < high:
        low, high = min(((low * f, high) for f in SHRINKS), key=loss)
        low, high = min(((low, high * f) for f in SHRINKS), key=loss)
    return low, high


def entropy(histogram: Histogram) -> Range:
    """The range whose 256 levels tell most of how the numbers are distributed (least Kullback-Leibler divergence), the
    same on both sides of zero where there are numbers on both."""
    two_sided = histogram.low < 0 < histogram.high
    counts = histogram.counts.astype(np.float64)
    magnitudes = (counts[HALF:] + counts[HALF - 1 :: -1]).reshape(-1, 2).sum(1)
    levels = 128 if two_sided else 256
    used = int(np.flatnonzero(magnitudes)[-1]) + 1 if magnitudes.any() else 1
    best, reach = np.inf, used
    for stop in range(min(levels, used), used + 1, max(1, (used - levels) // 128)):
        divergence = _divergence(magnitudes, stop, levels)
        if divergence < best:
            best, reach = divergence, stop
    limit = reach * 2 * histogram.width
    return max(histogram.low, -limit), min(histogram.high, limit)


def _divergence(magnitudes: np.ndarray, stop: int, levels: int) -> float:
    cut = magnitudes[:stop].copy()
    edges = np.linspace(0, stop, min(levels, stop) + 1).astype(int)[:-1]
    filled = (cut > 0).astype(np.float64)
    totals, places = np.add.reduceat(cut, edges), np.add.reduceat(filled, edges)
    spread = np.repeat(totals / np.maximum(places, 1), np.diff([*edges, stop])) * filled
    cut[-1] += magnitudes[stop:].sum()
    p, q = cut / max(cut.sum(), 1), spread / max(spread.sum(), 1)
    held = p > 0
    return float((p[held] * np.log(p[held] / np.maximum(q[held], 1e-12))).sum())


METHODS: dict[str, Callable[[Histogram], Range]] = {
    "minmax": min_max,
    "percentile": percentile(0.9999),
    "mse": least_squares,
    "entropy": entropy,
}
"""By the names that users choose them by."""

AUTO = "auto"
_OF_AUTO = (min_max, least_squares, percentile(0.99999), percentile(0.9999), entropy)
ALIKE = 0.01
"""Ranges that differ by less than this share are one candidate."""


def candidates(histogram: Histogram, method: str) -> list[Range]:
    """The ranges to choose among: one where the method is named, else what all methods say, each once."""
    if not histogram.count:
        return [(0.0, 0.0)]
    if method != AUTO:
        return [METHODS[method](histogram)]
    return list(_distinct(each(histogram) for each in _OF_AUTO))


def _distinct(found: Iterable[Range]) -> Iterable[Range]:
    kept: list[Range] = []
    for limits in found:
        span = limits[1] - limits[0]
        if not any(max(abs(limits[0] - low), abs(limits[1] - high)) <= ALIKE * span for low, high in kept):
            kept.append(limits)
    return kept
