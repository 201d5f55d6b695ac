"""Where x86 has no product of bytes, int8 convolutions multiply int16. Their input is widened a band of lines at once,
as each of its bytes is read for many outputs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from ..program.builder import Builder

if TYPE_CHECKING:
    from .product import Geometry

BAND, LARGEST_BAND = 48 << 10, 192 << 10
"""Bytes that are widened at once, where lines allow it, and at most."""
LEAST_USE = 8
"""Multiply-adds per byte from which on widening first is faster than widening at each."""
AHEAD = 128
"""Bytes of scratch memory behind the band, for the last vectors."""


class Band(msgspec.Struct, frozen=True):
    """geometry: as products see it. lines: of a band, or groups of as many as a tile has. reach: bytes that a line
    reads. scratch: bytes."""

    geometry: Geometry
    lines: int
    reach: int
    scratch: int


def widens(b: Builder, g: Geometry, rows: int, tall: int, channels: int) -> bool:
    """Whether to widen first. rows, tall: of the tile. Does not depend on the number of threads, as kernels do not."""
    if b.target.family != "x86" or b.target.vnni or min(g.x_row, g.x_pixel, g.kernel_row, g.kernel_tap) < 0:
        return False
    g = _cut(g, rows)
    size = _size(g, tall, 1)
    bands = -(-g.lines // (tall * _lines(g, tall)))
    uses = g.lines * g.pixels * g.kernel_rows * g.taps * g.run * g.passes * channels
    return size <= LARGEST_BAND and uses >= LEAST_USE * bands * _size(g, tall, _lines(g, tall))


def banded(g: Geometry, rows: int, tall: int) -> Band:
    """Of a geometry for which `widens` holds, whether or not threads have cut it."""
    g = _cut(g, rows)
    lines = _lines(g, tall)
    wide = replace(
        g, x_row=2 * g.x_row, x_pixel=2 * g.x_pixel, kernel_row=2 * g.kernel_row, kernel_tap=2 * g.kernel_tap
    )
    return Band(wide, lines, _reach(g), 2 * _size(g, tall, lines) + AHEAD)


def _cut(g: Geometry, rows: int) -> Geometry:
    """A single line of pixels becomes equal ones that fit a band, where its length has such divisors."""
    if g.lines > 1 or _reach(g) <= BAND:
        return g
    cuts = [n for n in range(1, g.pixels // rows + 1) if g.pixels % n == 0]
    short = [n for n in cuts if g.pixels // n * g.x_pixel <= BAND] or cuts[-1:]
    lines = min(short, key=lambda n: (n * -(-(g.pixels // n) // rows), n))
    pixels = g.pixels // lines
    return replace(g, lines=lines, pixels=pixels, x_row=pixels * g.x_pixel, y_row=pixels * g.y_pixel)


def _reach(g: Geometry) -> int:
    return (
        (g.pixels - 1) * g.x_pixel + (g.kernel_rows - 1) * g.kernel_row + (g.taps - 1) * g.kernel_tap + g.run
    )  # fmt: skip


def _lines(g: Geometry, tall: int) -> int:
    return max(1, min(-(-g.lines // tall), (BAND - _reach(g)) // (tall * max(g.x_row, 1)) + 1))


def _size(g: Geometry, tall: int, lines: int) -> int:
    return (tall * lines - 1) * g.x_row + _reach(g)
