"""What counts of rare events say of their probability."""

from __future__ import annotations

import math
from functools import lru_cache

import numpy as np


@lru_cache(1 << 12)
def binomial_cdf(k: int, n: int, p: float) -> float:
    """The probability of at most k successes of n, each with probability p."""
    if k < 0:
        return 0.0
    if k >= n or p <= 0:
        return 1.0
    if p >= 1:
        return 0.0
    logs = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, n + 1)))])
    i = np.arange(k + 1)
    terms = logs[n] - logs[i] - logs[n - i] + i * math.log(p) + (n - i) * math.log1p(-p)
    peak = terms.max()
    return float(min(1.0, math.exp(peak) * np.exp(terms - peak).sum()))


def upper_bound(k: int, n: int, confidence: float) -> float:
    """The largest probability that k successes of n leave possible, with this confidence: Clopper-Pearson's one-sided
    bound. 1 where n is 0."""
    if k >= n:
        return 1.0
    low, high = k / n, 1.0
    while high - low > 1e-9 * high:
        middle = (low + high) / 2
        if binomial_cdf(k, n, middle) > 1 - confidence:
            low = middle
        else:
            high = middle
    return high
