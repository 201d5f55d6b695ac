"""Moment invariants: an image as six numbers that stay when it is turned or its brightness is scaled."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterable
from functools import cache

import numpy as np

Mark = tuple[float, float, float, float, float, float]


class Moments:
    """Marks are the complex moment invariants of second and third order with basis c12 (Flusser 2000), of the gray
    image less its darkest pixel: c11, c20 c12^2, |c12|, c30 c12^3, each complex one as two numbers. Powers are undone
    of the modulus alone: a root of the real part would make much of next to nothing. Mirrored images have other marks.

    Two are near where no number differs by more than `radius`. A mark is filed under the cell of its first and fourth.
    """

    def __init__(self, radius: float) -> None:
        self._radius = radius
        self._cell = max(2 * radius, 1e-6)

    def mark(self, gray: np.ndarray) -> Mark | None:
        """gray: float32 (height, width). None of an image that is the same all over: it has no moments."""
        height, width = gray.shape
        mass = gray - gray.min()
        total = float(mass.sum())
        if not 0 < total < math.inf:
            return None
        m = (_powers(height, height * width) @ mass @ _powers(width, height * width).T / total).tolist()
        y, x = m[1][0], m[0][1]
        u20, u11, u02 = m[0][2] - x * x, m[1][1] - x * y, m[2][0] - y * y
        u30 = m[0][3] - 3 * x * m[0][2] + 2 * x**3
        u03 = m[3][0] - 3 * y * m[2][0] + 2 * y**3
        u21 = m[1][2] - 2 * x * m[1][1] - y * m[0][2] + 2 * x * x * y
        u12 = m[2][1] - 2 * y * m[1][1] - x * m[2][0] + 2 * y * y * x
        second, third = 2 * math.pi, 2.5 * math.pi**1.5
        c11, c20 = second * (u20 + u02), second * complex(u20 - u02, 2 * u11)
        c12 = third * complex(u30 + u12, -(u21 + u03))
        c30 = third * complex(u30 - 3 * u12, 3 * u21 - u03)
        a, b = _root(c20 * c12**2, 3), _root(c30 * c12**3, 4)
        return c11, a.real, a.imag, abs(c12), b.real, b.imag

    def filed(self, mark: Mark) -> list[Hashable]:
        return [(math.floor(mark[0] / self._cell), math.floor(mark[3] / self._cell))]

    def asked(self, mark: Mark) -> Iterable[Hashable]:
        """Where marks near to this one are filed."""
        first, fourth = (
            {math.floor((mark[at] - self._radius) / self._cell), math.floor((mark[at] + self._radius) / self._cell)}
            for at in (0, 3)
        )
        return [(one, other) for one in first for other in fourth]

    def distance(self, one: Mark, other: Mark) -> float | None:
        """None where they are not near."""
        apart = max(abs(a - b) for a, b in zip(one, other, strict=True))
        return apart if apart <= self._radius else None


def _root(number: complex, power: int) -> complex:
    """The number with the modulus' root for its modulus."""
    modulus = abs(number)
    return number * modulus ** (1 / power - 1) if modulus > 0 else 0j


@cache
def _powers(size: int, area: int) -> np.ndarray:
    """(4, size) float32: powers 0 to 3 of the pixels' places about the middle, in units of the root of an area."""
    places = (np.arange(size) - (size - 1) / 2) / math.sqrt(area)
    found = np.stack([places**power for power in range(4)]).astype(np.float32)
    found.setflags(write=False)
    return found
