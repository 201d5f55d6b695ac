"""Products of pairs of bytes: no sum of two leaves int16, and steps that are taken twice add up to the weights."""

from __future__ import annotations

import numpy as np
import pytest

from millijoule.runtime.lowering.byte_pairs import most_again, split, steps_twice
from millijoule.runtime.lowering.product import Geometry
from millijoule.runtime.program.view import Start, Storage
from millijoule.runtime.simd.tile_layout import BYTE_PAIRS, TileLayout
from millijoule.runtime.targets.target import TARGETS

EDGES = np.array([-128, -127, -65, -64, -1, 0, 1, 63, 64, 65, 127], np.int8)
TAPS, TAP, ROW = 2, 40, 1000


def geometry(run: int) -> Geometry:
    start = Start(Storage(1), 0)
    return Geometry(
        lines=1, pixels=1, x=start, x_row=0, x_pixel=0, y=start, y_row=0, y_pixel=0, kernel_rows=3, kernel_row=ROW,
        taps=TAPS, kernel_tap=TAP, run=run,
    )  # fmt: skip


def weights_of(spread: float, run: int, rng: np.random.Generator) -> np.ndarray:
    shape = 37, 3 * TAPS, run
    if not spread:
        return rng.choice(EDGES, shape)
    return np.clip(np.rint(spread * rng.normal(size=shape)), -128, 127).astype(np.int8)


@pytest.mark.parametrize("target", ["x86-64-v2", "x86-64-v3", "x86-64-v4"])
@pytest.mark.parametrize("columns", [1, 2, 3])
@pytest.mark.parametrize("spread", [0, 12, 40])
@pytest.mark.parametrize("run", [1, 7, 16])
def test_split(run: int, spread: float, columns: int, target: str) -> None:
    layout = TileLayout.of(TARGETS[target], BYTE_PAIRS)
    weights = weights_of(spread, run, np.random.default_rng(run))
    packed = layout.pack(weights, columns)
    blocks, segments, steps, _, width = packed.shape
    taken, places = split(packed, geometry(run))
    again = places.shape[1]
    assert again == most_again(steps_twice(weights, layout), layout, columns)
    found = taken.reshape(blocks, segments * steps + again, columns * width)
    pairs = found.reshape(*found.shape[:2], -1, 2).astype(np.int64)
    for ends in (255 * np.maximum(pairs, 0).sum(-1), 255 * np.minimum(pairs, 0).sum(-1)):
        assert ends.min() >= -(2**15) and ends.max() < 2**15
    total = found[:, : segments * steps].astype(np.int64)
    for block in range(blocks):
        for index, place in enumerate(places[block].tolist()):
            row, rest = divmod(place, ROW)
            tap, element = divmod(rest, TAP)
            assert element % layout.depth == 0
            total[block, (row * TAPS + tap) * steps + element // layout.depth] += found[block, segments * steps + index]
    np.testing.assert_array_equal(total.reshape(packed.shape), packed)


def test_weights_of_half_the_range_are_never_taken_twice() -> None:
    layout = TileLayout.of(TARGETS["x86-64-v3"], BYTE_PAIRS)
    small = np.random.default_rng(0).integers(-64, 65, (40, 3, 30)).astype(np.int8)
    assert not steps_twice(small, layout).any()
