"""Which register tiles a session has kernels for, and how much another one has to gain."""

from __future__ import annotations

import msgspec

OF_ANY_SIZE = (1, 2, 4, 8, 12)
"""Rows of tiles that serve any number of rows, as the last one overlaps the one before."""


class Tiles(msgspec.Struct):
    """made: those there are, each by its element, rows, columns and lines. few: whether sizes vary from run to run, so
    that a kernel which is there already is worth more than the best one for this size."""

    made: set[tuple[str, int, int, int]] = msgspec.field(default_factory=set)
    few: bool = False

    def allows(self, element: str, rows: int, columns: int, lines: int) -> bool:
        """Whether a kernel for this tile may be compiled, or is there."""
        return not self.few or (rows in OF_ANY_SIZE and lines == 1) or (element, rows, columns, lines) in self.made
