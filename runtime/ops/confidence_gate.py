"""ConfidenceGate: how sure a classifier is of one input's classes, and of which."""

from __future__ import annotations

import math

import numpy as np

from .checks import FLOATS, require_kind
from .registry import Context, Inferred, Op, register

SCORES = ("max", "margin", "entropy")
SCORE, LABEL, SURE, STAGE, RAN = range(5)
RECORD = 5
"""Elements of what a gate says: the score, the class, whether the score reaches the threshold (1 or 0), which stage of
a cascade said so, and how many of its stages had run by then."""
FARTHEST = 200.0
"""Logits so far below the largest have no probability in float32."""


def confidence_gate(
    logits: np.ndarray, probabilities: np.ndarray, *, score: str = "margin", threshold: float = 0.0, stage: int = 0
) -> np.ndarray:
    """score: "max", the largest probability; "margin", that less the second largest; "entropy", 1 less the entropy
    over its largest value, ln(classes). Each is 0..1 and higher where the classifier is surer; 0 where there are NaNs.
    Of equal probabilities the first counts."""
    z, p = logits.reshape(-1), probabilities.reshape(-1)
    if np.isnan(p).any():
        return np.array([0, 0, threshold <= 0, stage, stage + 1], np.float32)
    label = int(p.argmax())
    best = p[label]
    if score == "max":
        found = best
    elif score == "margin":
        found = best - np.delete(p, label).max()
    else:
        below = np.minimum(z[label] - z, np.float32(FARTHEST))
        entropy = (p * below).sum(dtype=np.float32) - np.log(best)
        found = np.clip(1 - entropy * np.float32(1 / math.log(p.size)), 0, 1)
    sure = np.float32(found) >= np.float32(threshold)
    return np.array([found, label, sure, stage, stage + 1], np.float32)


def infer(ctx: Context) -> list[Inferred]:
    x, p = ctx.input(0), ctx.input(1)
    dtype = require_kind(ctx, x, FLOATS)
    if dtype != np.float32 or p.dtype != dtype or p.shape != x.shape or x.size < 2:
        raise ctx.error(f"float32 logits and their softmax are wanted, two classes at least, not {x.shape}, {p.shape}")
    if ctx.attrs["score"] not in SCORES:
        raise ctx.error(f"score '{ctx.attrs['score']}' is none of {', '.join(SCORES)}")
    return [((RECORD,), dtype)]


register(Op("ConfidenceGate", confidence_gate, infer, data=(0, 1)))
