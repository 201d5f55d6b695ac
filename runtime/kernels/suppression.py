"""Non-maximum suppression: a list of boxes is gone through from the best score down, and a box is taken unless it
overlaps one that was taken before."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from ..compiler.abi import Int, Ptr
from .order import one_key

if TYPE_CHECKING:
    from ..simd.isa import Isa

LOW, HALF = 0xFFFFFFFF, np.float32(0.5)
RUNS = 5
"""Of what is known of boxes that were taken: top, left, bottom, right and area."""


def _sift(isa: Isa) -> Any:
    """sift(heap, at, count): the int64 at that place of a heap of so many moves down to where it belongs."""
    load, store = isa.scalar_load("i64"), isa.scalar_store("i64")

    @isa.inline
    def sift(heap, at, count):  # type: ignore[no-untyped-def]
        moved, below = load(heap + 8 * at), 2 * at + 1
        while below < count:
            child = load(heap + 8 * below)
            if below + 1 < count:
                other = load(heap + 8 * below + 8)
                if other > child:
                    child = other
                    below = below + 1
            if child <= moved:
                break
            store(child, heap + 8 * at)
            at = below
            below = 2 * at + 1
        store(moved, heap + 8 * at)

    return sift


def _corner(isa: Isa, centred: bool) -> Any:
    """corner(box, axis, last): where the box at that address begins or ends along y (0) or x (1)."""
    load = isa.scalar_load("f32")

    @isa.inline
    def corner(box, axis, last):  # type: ignore[no-untyped-def]
        if centred:
            centre, half = load(box + 4 - 4 * axis), load(box + 12 - 4 * axis) * HALF
            return centre + half if last else centre - half
        a, b = load(box + 4 * axis), load(box + 8 + 4 * axis)
        if a != a:
            return a
        if last:
            return a if a > b else b
        return a if a < b else b

    return corner


def suppression(
    isa: Isa, count_type: str, centred: bool, inclusive: bool, bounded: bool, scored: bool
) -> Callable[..., None]:
    """A chunk is one list: y are the int32 indices of the boxes taken, zeros behind them, and counts how many they are.

    boxes: dense float32 (batch, count, 4), scores (batch, classes, count). most: of `count_type`, and no more than
    there is room for. inclusive: whether a box that overlaps by just `iou` is left out. bounded: whether scores must be
    above least. scored: whether the scores of those taken are written to `values`. heap: 8 bytes for each box; taken:
    RUNS times `run` bytes, which hold room elements and a vector more. An entry of the heap is a score's key and, the
    other way round, the index: of equal scores the first box is the best.
    """
    from ..simd.horizontal import above
    from ..simd.overlap import overlaps

    lanes = isa.lanes
    load, load8, load_count = (isa.scalar_load(kind) for kind in ("f32", "i64", count_type))
    store, store4, store8 = (isa.scalar_store(kind) for kind in ("f32", "i32", "i64"))
    splat, load_vector, store_vector = isa.splat("f32"), isa.load("f32"), isa.store()
    too_much = overlaps(lanes, inclusive)
    key, sift, corner = one_key(isa, "f32", False, nan_first=False), _sift(isa), _corner(isa, centred)

    def kernel(
        start: Int, stop: Int, boxes: Ptr, scores: Ptr, most: Ptr, iou: Ptr, least: Ptr, y: Ptr, values: Ptr,
        counts: Ptr, heap: Ptr, taken: Ptr, classes: Int, count: Int, room: Int, run: Int,
    ) -> None:  # fmt: skip
        limit, bound = load(iou), load(least)
        bounds, wanted = splat(bound), min(load_count(most), room)
        for item in range(start, stop):
            entry, own = boxes + item // classes * count * 16, scores + item * count * 4
            waiting, first = 0, 0
            while first < count:
                last = min(first + lanes, count)
                # Most boxes' scores are below the threshold.
                if not bounded or last < first + lanes or above(load_vector(own + 4 * first), bounds) != 0:
                    for index in range(first, last):
                        if not bounded or load(own + 4 * index) > bound:
                            store8((key(own + 4 * index) << 32) | (LOW - index), heap + 8 * waiting)
                            waiting = waiting + 1
                first = last
            at = waiting // 2
            while at > 0:
                at = at - 1
                sift(heap, at, waiting)
            kept = 0
            while waiting > 0 and kept < wanted:
                index = LOW - (load8(heap) & LOW)
                waiting = waiting - 1
                store8(load8(heap + 8 * waiting), heap)
                sift(heap, 0, waiting)
                box = entry + 16 * index
                top, left = corner(box, 0, False), corner(box, 1, False)
                bottom, right = corner(box, 0, True), corner(box, 1, True)
                area = (bottom - top) * (right - left)
                place, found = 0, 0
                while place < kept and found == 0:
                    found = too_much(taken + 4 * place, run, top, left, bottom, right, area, limit)
                    place = place + lanes
                if found == 0:
                    # In the lanes behind it, too, so that a whole vector of boxes that were taken can be read.
                    last = taken + 4 * kept
                    store_vector(splat(top), last)
                    store_vector(splat(left), last + run)
                    store_vector(splat(bottom), last + 2 * run)
                    store_vector(splat(right), last + 3 * run)
                    store_vector(splat(area), last + 4 * run)
                    store4(index, y + (item * room + kept) * 4)
                    if scored:
                        store(load(own + 4 * index), values + (item * room + kept) * 4)
                    kept = kept + 1
            store4(kept, counts + 4 * item)
            for rest in range(kept, room):
                store4(0, y + (item * room + rest) * 4)
                if scored:
                    store4(0, values + (item * room + rest) * 4)

    return kernel
