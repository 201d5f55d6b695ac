"""A product whose taps lie apart, and what its weights and those of the steps that are taken again come to."""

from __future__ import annotations

import numpy as np

from millijoule.runtime.lowering.product import Geometry
from millijoule.runtime.program.view import Start, Storage

ROWS, TAPS, TAP, ROW = 3, 2, 40, 1000


def geometry(run: int) -> Geometry:
    start = Start(Storage(1), 0)
    return Geometry(
        lines=1, pixels=1, x=start, x_row=0, x_pixel=0, y=start, y_row=0, y_pixel=0, kernel_rows=ROWS, kernel_row=ROW,
        taps=TAPS, kernel_tap=TAP, run=run,
    )  # fmt: skip


def added_up(found: np.ndarray, places: np.ndarray, steps: int, depth: int) -> np.ndarray:
    """found: (blocks, steps of all runs, then those taken again, ...). places: what the latter read. The weights of
    each step, int64."""
    once = ROWS * TAPS * steps
    total = found[:, :once].astype(np.int64)
    for block, offsets in enumerate(places.tolist()):
        for index, place in enumerate(offsets):
            row, rest = divmod(place, ROW)
            tap, element = divmod(rest, TAP)
            assert element % depth == 0
            total[block, (row * TAPS + tap) * steps + element // depth] += found[block, once + index]
    return total
