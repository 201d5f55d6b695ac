"""TfIdfVectorizer: how often each of a list of n-grams occurs in rows of integers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .checks import INTEGERS, require_kind
from .registry import Context, Cost, Inferred, Op, register

MODES = ("TF", "IDF", "TFIDF")


def infer(ctx: Context) -> list[Inferred]:
    x, a = ctx.input(0), ctx.attrs
    require_kind(ctx, x, INTEGERS)
    if len(x.shape) > 2:
        raise ctx.error(f"input of shape {x.shape} is no row of integers, nor a list of rows")
    if a["mode"] not in MODES:
        raise ctx.error(f"mode '{a['mode']}' is none of {', '.join(MODES)}")
    indexes, counts, pool = a["ngram_indexes"], a["ngram_counts"], a["pool_int64s"]
    if (
        not indexes
        or min(indexes) < 0
        or max(indexes) >= 1 << 31
        or (a["weights"] and len(a["weights"]) != len(indexes))
    ):
        raise ctx.error("ngram_indexes are missing or negative, or there is not one weight for each")
    if list(counts) != sorted(counts) or not counts or counts[0] != 0 or counts[-1] > len(pool):
        raise ctx.error(f"ngram_counts {list(counts)} do not divide {len(pool)} numbers")
    grams = ngrams(counts, pool)
    if len(grams) != len(indexes) or a["max_skip_count"] < 0 or not 1 <= a["min_gram_length"] <= a["max_gram_length"]:
        raise ctx.error(f"{len(grams)} n-grams, but {len(indexes)} indexes; or gram lengths that are not possible")
    return [((*x.shape[:-1], max(indexes) + 1), np.dtype(np.float32))]


def ngrams(counts: Sequence[int], pool: Sequence[int]) -> list[tuple[int, ...]]:
    """counts: where those of each length begin in the pool."""
    found = []
    for length, (start, stop) in enumerate(zip(counts, [*counts[1:], len(pool)], strict=True), start=1):
        found += [tuple(pool[at : at + length]) for at in range(start, stop - length + 1, length)]
    return found


def tf_idf_vectorizer(
    x: np.ndarray,
    *,
    max_gram_length: int,
    max_skip_count: int,
    min_gram_length: int,
    mode: str,
    ngram_counts: Sequence[int],
    ngram_indexes: Sequence[int],
    pool_int64s: Sequence[int] = (),
    weights: Sequence[float] = (),
) -> np.ndarray:
    """float32 (rows, largest index + 1). An n-gram's elements may lie 1 to max_skip_count + 1 places apart, all of them
    as far. TF counts it, IDF gives its weight where it occurs, TFIDF weight times count."""
    places = dict(zip(ngrams(ngram_counts, pool_int64s), range(len(ngram_indexes)), strict=True))
    rows = x.reshape(1 if x.ndim < 2 else len(x), -1)
    found = np.zeros((len(rows), max(ngram_indexes) + 1), np.float32)
    for row, result in zip(rows.tolist(), found, strict=True):
        for length in range(min_gram_length, max_gram_length + 1):
            # Single elements are the same at every distance.
            for distance in range(1, 2 if length == 1 else max_skip_count + 2):
                for start in range(len(row) - distance * (length - 1)):
                    place = places.get(tuple(row[start : start + distance * (length - 1) + 1 : distance]))
                    if place is not None:
                        result[ngram_indexes[place]] += 1
    if mode != "TF":
        factors = np.zeros(found.shape[-1], np.float32)
        factors[list(ngram_indexes)] = weights or [1.0] * len(ngram_indexes)
        found = factors * ((found > 0) if mode == "IDF" else found)
    return found.reshape(*x.shape[:-1], found.shape[-1]).astype(np.float32)


def cost(ctx: Context) -> Cost:
    lengths = ctx.attrs["max_gram_length"] - ctx.attrs["min_gram_length"] + 1
    return Cost(1000 * ctx.input(0).size * lengths * (ctx.attrs["max_skip_count"] + 1))


register(Op("TfIdfVectorizer", tf_idf_vectorizer, infer, cost=cost))
