"""How sure a classifier is of its answers, of kept logits: what ops/confidence_gate.py says of one row, of many."""

from __future__ import annotations

import math

import numpy as np


def confidence(logits: np.ndarray, temperature: float, score: str) -> tuple[np.ndarray, np.ndarray]:
    """(score, label) of every row. logits: (rows, classes) float32. score: one of ops.confidence_gate.SCORES. The
    scores are float32, the labels int64; a row with NaNs has score 0 and label 0."""
    z = logits.astype(np.float64) / temperature
    with np.errstate(invalid="ignore"):
        z -= z.max(axis=1, keepdims=True)
        p = np.exp(z)
        p /= p.sum(axis=1, keepdims=True)
    label = p.argmax(axis=1)
    if score == "max":
        found = p.max(axis=1)
    elif score == "margin":
        two = np.partition(p, -2, axis=1)[:, -2:]
        found = two[:, 1] - two[:, 0]
    else:
        logs = np.log(p, where=p > 0, out=np.zeros_like(p))
        found = np.clip(1 + (p * logs).sum(axis=1) / math.log(p.shape[1]), 0, 1)
    nothing = np.isnan(p).any(axis=1)
    return np.where(nothing, 0, found).astype(np.float32), np.where(nothing, 0, label).astype(np.int64)
