"""How well two classifiers cover each other's mistakes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Cover(NamedTuple):
    """Shares of the samples. complementarity: (n(a or b) - n(a and b) - |n(a) - n(b)|) / N for n(.) the number of
    samples answered rightly, which is twice the smaller one of "only a is right" and "only b is" (Kinnas et al. 2024).
    one_right: exactly one of both is, which is what their program computes under that name; it is also high where one
    is merely worse. oracle: at least one is."""

    complementarity: float
    one_right: float
    oracle: float


def cover(a: np.ndarray, b: np.ndarray) -> Cover:
    """a, b: whether each is right, (samples,) bool."""
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    return Cover(2 * min(only_a, only_b) / a.size, (only_a + only_b) / a.size, int((a | b).sum()) / a.size)


def matrix(right: Sequence[np.ndarray]) -> list[list[Cover]]:
    """Of every pair; symmetric."""
    return [[cover(a, b) for b in right] for a in right]
