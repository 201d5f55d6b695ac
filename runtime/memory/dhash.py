"""dHash: an image as 64 bits, of which like images share most."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from itertools import pairwise

import numpy as np

from .blocks import averages

BITS = 64


class DHash:
    """Marks are integers: whether each of 8 rows of 9 blocks of the gray image gets lighter from one block to the next
    (Krawetz, "Kind of like that", 2013). Two are near where at most `radius` bits differ.

    One mark is filed under each of radius + 1 groups of its bits: of near marks, one group at least is the same.
    """

    def __init__(self, radius: float) -> None:
        self._radius = int(radius)
        edges = [BITS * group // (self._radius + 1) for group in range(self._radius + 2)]
        self._groups = [(group, low, (1 << (high - low)) - 1) for group, (low, high) in enumerate(pairwise(edges))]

    def mark(self, gray: np.ndarray) -> int:
        """gray: float32 (height, width)."""
        height, width = gray.shape
        small = averages(height, 8) @ gray @ averages(width, 9).T
        return int.from_bytes(np.packbits(small[:, 1:] > small[:, :-1]).tobytes(), "little")

    def filed(self, mark: int) -> list[Hashable]:
        return [(group, mark >> low & mask) for group, low, mask in self._groups]

    def asked(self, mark: int) -> Iterable[Hashable]:
        """Where marks near to this one are filed."""
        return self.filed(mark)

    def distance(self, one: int, other: int) -> float | None:
        """None where they are not near."""
        apart = (one ^ other).bit_count()
        return apart if apart <= self._radius else None
