"""How much is computed before a graph runs: in proportion to the constants that it holds, not to what it asks for."""

from __future__ import annotations

from ..ops.registry import Cost

GROWTH = 16 << 20
"""Bytes by which results may exceed what they were computed from, all together, besides the constants' own."""
DECOMPRESSION = 8
"""Bytes that a byte of the constants may be made of it, as of weights stored in half precision or in 8 bits."""
SCRATCH = 64 << 20
"""Bytes that one node may take meanwhile, besides DECOMPRESSION times the constants' own."""
WORK = 1 << 30
WORK_OF_A_BYTE = 128
"""As Cost.work: of all nodes together, and for each byte of the constants."""


class Budget:
    """What is left for folding one graph whose constants have so many bytes."""

    def __init__(self, constants: int) -> None:
        self._work = WORK + WORK_OF_A_BYTE * constants
        self._scratch = SCRATCH + DECOMPRESSION * constants
        self._growth = GROWTH + constants
        self._decompressed = GROWTH + DECOMPRESSION * constants

    def spend(self, cost: Cost, growth: int, decompresses: bool = False) -> bool:
        """Whether a node of this cost may be computed, whose results have `growth` bytes more than its inputs; then
        that much less is left. decompresses: see Op."""
        growth = max(growth, 0)
        room = self._decompressed if decompresses else self._growth
        if cost.work > self._work or cost.scratch > self._scratch or growth > room:
            return False
        self._work -= cost.work
        if decompresses:
            self._decompressed -= growth
        else:
            self._growth -= growth
        return True
