"""SupportVectors and PairwiseVotes: kernel machines, and the classes that their decisions between two of them name."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .checks import FLOATS, require_kind, same_dtype
from .registry import Context, Cost, Inferred, Op, register

KERNELS = ("LINEAR", "POLY", "RBF", "SIGMOID")
SURE = 1e-7
"""How near to 0 or 1 the probability of one of two classes may be."""
SETTLED = 0.005
ROUNDS = 100


def infer_vectors(ctx: Context) -> list[Inferred]:
    x, vectors = ctx.input(0), ctx.input(1)
    require_kind(ctx, x, FLOATS)
    same_dtype(ctx, [x, vectors])
    if len(x.shape) != 2 or len(vectors.shape) != 2 or x.shape[1] != vectors.shape[1]:
        raise ctx.error(f"vectors of shape {vectors.shape} do not fit an input of shape {x.shape}")
    if ctx.attrs["kernel"] not in KERNELS:
        raise ctx.error(f"kernel '{ctx.attrs['kernel']}' is none of {', '.join(KERNELS)}")
    return [((x.shape[0], vectors.shape[0]), x.dtype)]


def support_vectors(
    x: np.ndarray,
    vectors: np.ndarray,
    *,
    kernel: str,
    gamma: float = 0.0,
    coef0: float = 0.0,
    degree: float = 0.0,
) -> np.ndarray:
    """x (rows, features), vectors (count, features) -> how alike they are, (rows, count)."""
    wide = x.astype(np.float64)
    if kernel == "RBF":
        apart = (wide[:, None] - vectors[None].astype(np.float64)) if x.shape[0] * vectors.size < 1 << 22 else None
        if apart is not None:
            squares = (apart * apart).sum(-1)
        else:
            other = vectors.astype(np.float64)
            squares = (wide * wide).sum(-1)[:, None] + (other * other).sum(-1) - 2 * wide @ other.T
        return np.exp(-gamma * np.maximum(squares, 0)).astype(x.dtype)
    products = wide @ vectors.astype(np.float64).T
    if kernel == "LINEAR":
        return products.astype(x.dtype)
    scaled = gamma * products + coef0
    return (scaled**degree if kernel == "POLY" else np.tanh(scaled)).astype(x.dtype)


def infer_pairs(ctx: Context) -> list[Inferred]:
    scores, classes = ctx.input(0), ctx.attrs["classes"]
    require_kind(ctx, scores, FLOATS)
    pairs = classes * (classes - 1) // 2
    if classes < 2 or len(scores.shape) != 2 or scores.shape[1] != pairs:
        raise ctx.error(f"scores of shape {scores.shape} are not of all pairs of {classes} classes")
    if {len(ctx.attrs["slopes"]), len(ctx.attrs["offsets"])} not in ({0}, {pairs}):
        raise ctx.error(f"{len(ctx.attrs['slopes'])} slopes do not fit {pairs} pairs of classes")
    return [((scores.shape[0], classes), scores.dtype)]


def pairwise_votes(
    scores: np.ndarray, *, classes: int, slopes: Sequence[float] = (), offsets: Sequence[float] = ()
) -> np.ndarray:
    """scores (rows, pairs): of classes 0 and 1, 0 and 2, ..., above 0 for the first of the two. How many of its pairs
    each class wins (rows, classes); with slopes and offsets, its probability (Wu, Lin and Weng, Probability Estimates
    for Multi-class Classification by Pairwise Coupling, 2004, their second approach)."""
    first, second = np.triu_indices(classes, 1)
    if not len(slopes):
        votes = np.zeros((len(scores), classes), scores.dtype)
        for pair, (one, other) in enumerate(zip(first, second, strict=True)):
            won = scores[:, pair] > 0
            votes[:, one] += won
            votes[:, other] += ~won
        return votes
    logits = scores * np.array(slopes) + np.array(offsets)
    beats = np.clip(1 - 1 / (1 + np.exp(-logits)), SURE, 1 - SURE)
    odds = np.zeros((len(scores), classes, classes))
    odds[:, first, second], odds[:, second, first] = beats, 1 - beats
    return np.array([coupled(matrix) for matrix in odds]).reshape(-1, classes).astype(scores.dtype)


def coupled(odds: np.ndarray) -> np.ndarray:
    """Of each class the probability that fits best to those of pairs: odds[i, j] is how likely i is if it is i or j."""
    count = len(odds)
    quadratic = -odds.T * odds
    np.fill_diagonal(quadratic, (odds.T**2).sum(1))
    found = np.full(count, 1 / count)
    for _ in range(max(ROUNDS, count)):
        product = quadratic @ found
        total = found @ product
        if np.abs(product - total).max() < SETTLED / count:
            break
        for t in range(count):
            step = (total - product[t]) / quadratic[t, t]
            found[t] += step
            total = (total + step * (step * quadratic[t, t] + 2 * product[t])) / (1 + step) ** 2
            product = (product + step * quadratic[t]) / (1 + step)
            found /= 1 + step
    return found


def macs(ctx: Context) -> int:
    return ctx.input(0).shape[0] * ctx.input(1).size


def cost_vectors(ctx: Context) -> Cost:
    return Cost(4 * macs(ctx), 16 * macs(ctx))


PAIR = 2500
"""Cost.work of counting the votes of two classes, of which each pair is looked at twice here."""


def cost_pairs(ctx: Context) -> Cost:
    rows, classes = ctx.outputs[0].shape
    each = rows * classes * (20_000 if len(ctx.attrs["slopes"]) else 50)
    return Cost(PAIR * classes * classes + each, 16 * rows * classes * classes)


register(Op("SupportVectors", support_vectors, infer_vectors, macs=macs, cost=cost_vectors))
register(Op("PairwiseVotes", pairwise_votes, infer_pairs, cost=cost_pairs))
