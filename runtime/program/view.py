"""Where a value lies in memory while a program runs."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache
from math import prod
from typing import NamedTuple

import numpy as np

from ..compiler.abi import ARENA, WEIGHTS

Shape = tuple[int, ...]


@dataclass(eq=False, slots=True)
class Storage:
    """A block of bytes. In the arena it lives from the first step that touches it to the last."""

    size: int
    base: int = ARENA
    offset: int = -1
    first: int = 1 << 30
    last: int = -1

    def touch(self, step: int) -> None:
        self.first = min(self.first, step)
        self.last = max(self.last, step)


class Place(NamedTuple):
    """A byte in a storage; becomes an address once the arena is laid out."""

    storage: Storage
    offset: int


class Border(NamedTuple):
    """Elements of padding around the rows (height) and pixels (width) of a channels-last value."""

    top: int = 0
    left: int = 0
    bottom: int = 0
    right: int = 0

    def union(self, other: Border) -> Border:
        return Border(*(max(a, b) for a, b in zip(self, other, strict=True)))

    def covers(self, other: Border) -> bool:
        return all(a >= b for a, b in zip(self, other, strict=True))

    def __bool__(self) -> bool:
        return any(self)


@dataclass(frozen=True, slots=True)
class View:
    """A value in a storage: first element at `offset`, strides in bytes, as in NumPy.

    border: how much padding, filled with `fill`, surrounds the elements.
    flipped: bytes hold q + 128 as unsigned instead of the int8 q.
    """

    storage: Storage
    offset: int
    shape: Shape
    strides: Shape
    dtype: np.dtype
    border: Border = field(default=Border())
    fill: float = 0
    flipped: bool = False

    @property
    def contiguous(self) -> bool:
        return all(
            n == 1 or s == d for n, s, d in zip(self.shape, self.strides, dense(self.shape, self.itemsize), strict=True)
        )

    @property
    def itemsize(self) -> int:
        return self.dtype.itemsize

    @property
    def size(self) -> int:
        return prod(self.shape)

    @property
    def constant(self) -> bool:
        return self.storage.base == WEIGHTS

    def at(self, *index: int) -> Place:
        """The place of an element; indices not given are 0."""
        return Place(self.storage, self.offset + sum(i * s for i, s in zip(index, self.strides, strict=False)))

    def reshape(self, shape: Shape) -> View:
        """The same elements of a contiguous view in another shape."""
        if not self.contiguous:
            raise ValueError("only a contiguous view can be reshaped")
        return replace(self, shape=shape, strides=dense(shape, self.itemsize), border=Border())

    def channels_last(self) -> tuple[int, int, int, int]:
        """(images, height, width, channels) of a view of rank 3 (N, W, C) or 4 (N, H, W, C)."""
        if len(self.shape) == 3:
            n, w, c = self.shape
            return n, 1, w, c
        n, h, w, c = self.shape
        return n, h, w, c

    def pitches(self) -> tuple[int, int, int]:
        """Bytes between images, rows and pixels of a view of rank 3 or 4."""
        if len(self.shape) == 3:
            return self.strides[0], self.strides[0], self.strides[1]
        return self.strides[0], self.strides[1], self.strides[2]


def dense(shape: Shape, itemsize: int) -> Shape:
    """Strides of a contiguous array."""
    strides = []
    step = itemsize
    for n in reversed(shape):
        strides.append(step)
        step *= max(n, 1)
    return tuple(reversed(strides))


@lru_cache(1 << 12)
def levels(shape: Shape, strides: tuple[Shape, ...]) -> tuple[Shape, tuple[Shape, ...]]:
    """The same elements of several operands in as few dimensions as they allow: size-1 dimensions dropped and
    neighbours merged where every operand's strides agree. The result has at least one dimension."""
    kept = [(n, *s) for n, *s in zip(shape, *strides, strict=True) if n != 1]
    merged: list[tuple[int, ...]] = []
    for n, *s in kept:
        if merged and all(outer == n * inner for outer, inner in zip(merged[-1][1:], s, strict=True)):
            merged[-1] = (merged[-1][0] * n, *s)
        else:
            merged.append((n, *s))
    if not merged:
        merged = [(1, *(0 for _ in strides))]
    return tuple(m[0] for m in merged), tuple(tuple(m[i + 1] for m in merged) for i in range(len(strides)))
