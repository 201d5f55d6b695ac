"""Products of pairs of bytes: no sum of two leaves int16, and steps that are taken twice add up to the weights."""

from __future__ import annotations

import numpy as np
import pytest
from steps_again import ROWS, TAPS, added_up, geometry

from millijoule.runtime.lowering.byte_pairs import split, steps_twice
from millijoule.runtime.lowering.taken_again import most_again
from millijoule.runtime.simd.tile_layout import BYTE_PAIRS, TileLayout
from millijoule.runtime.targets.target import TARGETS

EDGES = np.array([-128, -127, -65, -64, -1, 0, 1, 63, 64, 65, 127], np.int8)


def weights_of(spread: float, run: int, rng: np.random.Generator) -> np.ndarray:
    shape = 37, ROWS * TAPS, run
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
    np.testing.assert_array_equal(added_up(found, places, steps, layout.depth).reshape(packed.shape), packed)


def test_weights_of_half_the_range_are_never_taken_twice() -> None:
    layout = TileLayout.of(TARGETS["x86-64-v3"], BYTE_PAIRS)
    small = np.random.default_rng(0).integers(-64, 65, (40, 3, 30)).astype(np.int8)
    assert not steps_twice(small, layout).any()
