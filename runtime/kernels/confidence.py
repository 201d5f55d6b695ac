"""What a gate of a cascade says of a softmax, and whose answer counts; ops/confidence_gate.py says what they mean."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from ..compiler.abi import Float, Int, Ptr

if TYPE_CHECKING:
    from ..simd.isa import Isa

FARTHEST = 200.0
"""As in ops/confidence_gate.py."""
BLOCK = 8
"""Vectors among which the largest is looked for before their elements are looked at."""


def confidence_gate(isa: Isa, score: str) -> Callable[..., None]:
    """Writes the record of n probabilities p, in one look at them; z: their logits, which only the entropy needs.

    share: 1 / ln(n). The chunk is the whole.
    """
    from ..simd.horizontal import keep, reduce
    from ..simd.traced import minimum
    from .reduce import reducer
    from .softmax import logarithm_of

    peak, logarithm, add_up = reducer(isa, "max"), logarithm_of(isa), reduce("add")
    lanes, load, splat, block = isa.lanes, isa.load("f32"), isa.splat("f32"), BLOCK * isa.lanes
    load_one, store_one = isa.scalar_load("f32"), isa.scalar_store("f32")
    term = isa.function(lambda p, below: p * minimum(below, FARTHEST), 2)
    none, one = np.float32(0), np.float32(1)
    by_entropy, by_margin = score == "entropy", score == "margin"

    @isa.inline
    def spread(z, p, n, top):  # type: ignore[no-untyped-def]
        total, tops = splat(none), splat(top)
        for at in range(0, n, lanes):
            part = term(load(p + 4 * at), tops - load(z + 4 * at))
            total = total + keep(part, n - at, splat(none))
        return add_up(total)

    def kernel(
        start: Int, stop: Int, z: Ptr, p: Ptr, y: Ptr, n: Int, threshold: Float, share: Float, stage: Int
    ) -> None:
        best, second, label = np.float32(-1), np.float32(-1), 0
        for first in range(0, n, block):
            size = min(block, n - first)
            if size <= lanes or peak(p + 4 * first, size, splat(none)) > second:
                for i in range(first, first + size):
                    value = load_one(p + 4 * i)
                    if value > best:
                        best, second, label = value, best, i
                    elif value > second:
                        second = value
        found = best
        if best < none:
            found = none
        elif by_margin:
            found = best - second
        elif by_entropy:
            entropy = spread(z, p, n, load_one(z + 4 * label)) - np.float32(logarithm(float(best)))
            found = min(max(one - entropy * share, none), one)
        store_one(found, y)
        store_one(np.float32(label), y + 4)
        store_one(one if found >= threshold else none, y + 8)
        store_one(np.float32(stage), y + 12)
        store_one(np.float32(stage + 1), y + 16)

    return kernel


def most_confident(isa: Isa, post_check: bool) -> Callable[..., None]:
    """Writes n probabilities and a record: (p, r) where that is sure, else the more confident of (p, r) and (q, s), or
    (q, s). stage: whose (q, s) is. The chunk is the whole."""
    load_one, store_one, move_row = isa.scalar_load("f32"), isa.scalar_store("f32"), isa.move_row()

    def kernel(start: Int, stop: Int, p: Ptr, r: Ptr, q: Ptr, s: Ptr, y: Ptr, t: Ptr, n: Int, stage: Int) -> None:
        sure = load_one(r + 8) != np.float32(0)
        first = sure
        if post_check and not sure:
            first = not load_one(s) > load_one(r)
        if first:
            move_row(p, y, 4 * n)
            move_row(r, t, 20)
        else:
            move_row(q, y, 4 * n)
            move_row(s, t, 20)
        if not sure:
            store_one(load_one(s + 8), t + 8)
            store_one(np.float32(stage + 1), t + 16)

    return kernel
