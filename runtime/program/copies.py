"""Which kernel copies elements from one view to another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from ..compiler.abi import Kernel
from ..kernels.copy import COPY_LEVELS, copy
from ..kernels.reorder import REORDER_LEVELS, interleave, separate, transpose
from ..targets.target import Target
from .view import Place, Shape, View, levels

FEW = 4
"""Rows up to which all of them are interleaved at once."""
LEAST_BLOCK, WIDEST = 4, 16


class Move(msgspec.Struct, frozen=True):
    """A kernel's call."""

    kernel: Kernel
    constants: Mapping[str, Any]
    chunks: int
    arguments: dict[str, Place | int]


def move(source: View, destination: View, target: Target) -> Move | None:
    """How the elements of one view get into another of the same shape; None where there are too many irregular
    dimensions."""
    sizes, (x, y) = levels(source.shape, (source.strides, destination.strides))
    fixed = {"itemsize": source.itemsize, "flip": source.flipped != destination.flipped}
    places: dict[str, Place | int] = {"x": source.at(), "y": destination.at()}
    found = _reordered(sizes, x, y, source.itemsize, target)
    if found is not None:
        around = _around(*found.around, REORDER_LEVELS)
        if around is not None:
            chunks = around.pop("n0")
            return Move(found.kernel, fixed | found.constants, chunks, {**places, **around, **found.arguments})
    around = _around(sizes[:-1], x[:-1], y[:-1], COPY_LEVELS - 1)
    if around is None:
        return None
    rows = x[-1] == source.itemsize == y[-1]
    innermost = zip("nxy", (sizes[-1], x[-1], y[-1]), strict=True)
    around |= {f"{letter}{COPY_LEVELS - 1}": value for letter, value in innermost}
    return Move(copy, fixed | {"rows": rows}, around["n0"] * around["n1"], {**places, **around})


def _around(sizes: Shape, x: Shape, y: Shape, count: int) -> dict[str, int] | None:
    """Sizes and pitches of exactly `count` levels, the outermost of which is the first, as chunks are cut from it."""
    if len(sizes) > count:
        return None
    fill = count - len(sizes)
    named: dict[str, int] = {}
    for letter, values, one in (("n", sizes, 1), ("x", x, 0), ("y", y, 0)):
        spread = (*values[:1], *(one,) * fill, *values[1:])
        named |= {f"{letter}{i}": value for i, value in enumerate(spread)}
    return named


class _Reordered(msgspec.Struct, frozen=True):
    """A kernel of kernels/reorder.py. around: sizes and pitches of the levels that it does not take itself."""

    kernel: Kernel
    constants: dict[str, Any]
    around: tuple[Shape, Shape, Shape]
    arguments: dict[str, int]


def _reordered(sizes: Shape, x: Shape, y: Shape, item: int, target: Target) -> _Reordered | None:
    lanes = min(WIDEST, target.vector_bytes // item)
    if item not in y:
        return None
    across = y.index(item)

    def around(*inner: int) -> tuple[Shape, Shape, Shape]:
        sizes_, x_, y_ = (tuple(v for i, v in enumerate(s) if i not in inner) for s in (sizes, x, y))
        return sizes_, x_, y_

    if x[across] in (2 * item, 3 * item, 4 * item) and sizes[across] >= lanes:
        constants = {"count": x[across] // item, "kept": 1}
        return _Reordered(separate, constants, around(across), {"columns": sizes[across], "y_pitch": 0})
    if x[across] == item or item not in x:
        return None
    # Rows of x, whose elements are neighbours, become columns of y.
    along = x.index(item)
    columns, rows, x_pitch, y_pitch = sizes[along], sizes[across], x[across], y[along]
    rest = around(along, across)
    if rows <= FEW and y_pitch == rows * item and columns >= lanes:
        return _Reordered(interleave, {"count": rows}, rest, {"columns": columns, "x_pitch": x_pitch})
    if columns <= FEW and x_pitch == columns * item and rows >= lanes:
        constants = {"count": columns, "kept": columns}
        return _Reordered(separate, constants, rest, {"columns": rows, "y_pitch": y_pitch})
    block = min(max(lanes, LEAST_BLOCK), rows, columns)
    block = 1 << (block.bit_length() - 1)
    if block < LEAST_BLOCK:
        return None
    pitches = {"rows": rows, "columns": columns, "x_pitch": x_pitch, "y_pitch": y_pitch}
    return _Reordered(transpose, {"block": block}, rest, pitches)
