"""The temperature that a classifier's logits are divided by, so that its probabilities are as sure as it is right.

Guo, Pleiss, Sun, Weinberger, "On Calibration of Modern Neural Networks", 2017. The mean negative log-likelihood is
convex in 1 / temperature, so its least value is where its derivative is zero, and that is found by bisection with
Newton's steps.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

LEAST, MOST = 0.01, 100.0
"""Temperatures beyond these are not looked at."""
STEPS, NEAR = 100, 1e-10


class Fit(NamedTuple):
    """before, after: the mean negative log-likelihood with temperature 1 and with this one, in nats. found: whether the
    samples say what it is; else it is 1."""

    temperature: float
    before: float
    after: float
    found: bool


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> Fit:
    """logits: (samples, classes). labels: the classes in truth, (samples,). Samples with a logit that is no finite
    number are left out.

    Not found where every sample is right, as the likelihood then only grows as the temperature falls, or where the
    logits know nothing of the labels, so that it only grows as it rises.
    """
    finite = np.isfinite(logits).all(axis=1)
    z, y = logits[finite].astype(np.float64), labels[finite]
    z -= z.max(axis=1, keepdims=True, initial=-np.inf)
    truth = np.take_along_axis(z, y[:, None], axis=1)[:, 0]
    before = _loss(z, truth, 1.0)
    if not truth.size or truth.mean() == 0 or truth.mean() <= z.mean():
        return Fit(1.0, before, before, False)
    low, high, at = 1 / MOST, 1 / LEAST, 1.0
    for _ in range(STEPS):
        slope, curvature = _slopes(z, truth, at)
        low, high = (at, high) if slope < 0 else (low, at)
        step = at - slope / curvature if curvature > 0 else low
        step = step if low < step < high else (low * high) ** 0.5
        if abs(step - at) <= NEAR * at:
            break
        at = step
    return Fit(1 / at, before, _loss(z, truth, at), True)


def _loss(z: np.ndarray, truth: np.ndarray, inverse: float) -> float:
    if not truth.size:
        return 0.0
    return float((np.log(np.exp(inverse * z).sum(axis=1)) - inverse * truth).mean())


def _slopes(z: np.ndarray, truth: np.ndarray, inverse: float) -> tuple[float, float]:
    """The first and second derivative of the loss by 1 / temperature."""
    p = np.exp(inverse * z)
    p /= p.sum(axis=1, keepdims=True)
    mean = (p * z).sum(axis=1)
    return float((mean - truth).mean()), float(((p * z * z).sum(axis=1) - mean * mean).mean())
