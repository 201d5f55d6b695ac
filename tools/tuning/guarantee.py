"""Thresholds that hold on new data with a stated probability.

Thresholds are tested one after the other, from the safest on, until one cannot be shown to be safe; all before it are
safe together with probability 1 - delta (fixed-sequence testing: Angelopoulos et al., "Learn then Test", 2021). The
sequence must not depend on the samples that the tests are made with: it is made from others, and begins where those
make the claim the surest.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np

from ...runtime.memory.binomial import binomial_cdf

MOST_SAMPLES = 1_000_000


def loss_p_value(right: np.ndarray, reference: np.ndarray, loss: float, delta: float) -> float:
    """A bound on the p-value of "the share answered rightly is more than `loss` below the reference's", from the paired
    differences in their order: betting (Waudby-Smith & Ramdas, 2024), or for loss 0 the exact sign test."""
    harm, gain = int((reference & ~right).sum()), int((right & ~reference).sum())
    if loss == 0:
        return binomial_cdf(harm, harm + gain, 0.5) if harm + gain else 1.0
    x = (reference.astype(np.float64) - right + 1) / 2
    n, mean = x.size, (loss + 1) / 2
    count = np.arange(1, n + 1)
    means = (0.5 + np.cumsum(x)) / (count + 1)
    variances = (0.25 + np.cumsum((x - means) ** 2)) / (count + 1)
    before = np.concatenate([[0.25], variances[:-1]])
    bets = np.minimum(np.sqrt(2 * math.log(1 / delta) / (n * before)), 0.75 / (1 - mean))
    wealth = np.cumsum(np.log1p(-bets * (x - mean)))
    return float(min(1.0, math.exp(-max(0.0, wealth.max(initial=0.0)))))


def fixed_sequence(p_values: Iterable[float], delta: float) -> int | None:
    """How far the sequence goes: the place of the last test before the first that fails; None where the first fails."""
    passed = None
    for place, p in enumerate(p_values):
        if p > delta:
            break
        passed = place
    return passed


def samples_needed(share: float, accuracy: float, delta: float) -> int | None:
    """How many samples would do to show this accuracy, if such a share of them is answered rightly; None where none
    would, or more than a million."""
    if share <= accuracy:
        return None
    low, high = 1, 1
    while binomial_cdf(math.floor(high * (1 - share)), high, 1 - accuracy) > delta:
        low, high = high, 2 * high
        if high > MOST_SAMPLES:
            return None
    while low < high:
        middle = (low + high) // 2
        if binomial_cdf(math.floor(middle * (1 - share)), middle, 1 - accuracy) > delta:
            low = middle + 1
        else:
            high = middle
    return high
