"""Weights of more than 8 bits: what is taken again adds up to them, and few of them take few steps again."""

from __future__ import annotations

import numpy as np
import pytest
from product_cases import Net
from steps_again import ROWS, TAPS, added_up, geometry

from millijoule.runtime.lowering.taken_again import most_again
from millijoule.runtime.lowering.wide_weights import LEAST, MOST, split, steps_again
from millijoule.runtime.program.program import Call
from millijoule.runtime.simd.tile_layout import TileLayout
from millijoule.runtime.targets.target import TARGETS
from millijoule.tools.models.plans import plan_program

EDGES = np.array([-255, -129, -128, 0, 1, 127, 128, 254, 255], np.int16)


def weights_of(beyond: float, run: int) -> np.ndarray:
    """beyond: the share that does not fit 8 bits."""
    rng = np.random.default_rng(run)
    weights = rng.integers(LEAST, MOST + 1, (37, ROWS * TAPS, run)).astype(np.int16)
    places = rng.random(weights.shape) < beyond
    weights[places] = rng.choice(EDGES, int(places.sum()))
    return weights


@pytest.mark.parametrize("target", ["x86-64-v3-vnni", "x86-64-v4-vnni"])
@pytest.mark.parametrize("columns", [1, 2, 3])
@pytest.mark.parametrize("beyond", [0.01, 0.05, 1.0])
@pytest.mark.parametrize("run", [1, 7, 16])
def test_split(run: int, beyond: float, columns: int, target: str) -> None:
    layout = TileLayout.of(TARGETS[target], "i8")
    weights = weights_of(beyond, run)
    packed = layout.__class__(layout.lanes, layout.depth, np.dtype(np.int16), interleaved=True).pack(weights, columns)
    blocks, segments, steps, _, width = packed.shape
    taken, places = split(packed, geometry(run), layout.depth)
    again = places.shape[1]
    assert taken.dtype == np.int8 and again >= most_again(steps_again(weights, layout), layout, columns) > 0
    found = taken.reshape(blocks, segments * steps + again, columns * width)
    np.testing.assert_array_equal(added_up(found, places, steps, layout.depth).reshape(packed.shape), packed)


@pytest.mark.parametrize(("spread", "passes"), [(34.0, 1), (0.0, 2)])
def test_only_where_most_steps_have_such_weights_are_all_taken_twice(spread: float, passes: int) -> None:
    net = Net(True)
    net.done(net.conv(net.feed(1, 9, 9, 64), 64, (1, 1), w_spread=spread, w_zero=-20))
    program, _ = plan_program(net.model, {"x0": (1, 9, 9, 64)}, TARGETS["x86-64-v4-vnni"], 1)
    (call,) = [step for step in program.steps if isinstance(step, Call) and step.kernel.__name__ == "conv_int8"]
    assert call.numbers["passes"] == passes and (0 < call.numbers["again"] < 12) == (passes == 1)
