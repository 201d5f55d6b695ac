"""Where a value lies in memory while a program runs. What is made here has been proven to lie inside of its storage."""

from __future__ import annotations

from functools import lru_cache
from math import prod
from typing import NamedTuple

import msgspec
import numpy as np

from ..compiler.abi import ARENA, WEIGHTS
from .bounds import OutOfBounds, extent

Shape = tuple[int, ...]


NEVER = 1 << 30, -1
"""The first and the last step of a storage that no step has touched."""


class Storage(msgspec.Struct, eq=False):
    """A block of bytes. In the arena it lives from the first step that touches it to the last."""

    size: int
    base: int = ARENA
    offset: int = -1
    first: int = NEVER[0]
    last: int = NEVER[1]

    def touch(self, step: int) -> None:
        if step < self.first:
            self.first = step
        if step > self.last:
            self.last = step


class Place(msgspec.Struct, frozen=True):
    """A pointer for a kernel: the byte of a storage that it is given, which becomes an address once the arena is laid
    out, and the bytes first <= i < end of that storage that the kernel touches.

    OutOfBounds where those are not all in the storage. Kernels may read, never write, SLACK bytes more.
    """

    storage: Storage
    offset: int
    first: int
    end: int

    def __post_init__(self) -> None:
        if self.first < self.end and not 0 <= self.first < self.end <= self.storage.size:
            raise OutOfBounds(f"bytes {self.first} to {self.end} of {self.storage.size} would be touched")


class Start(NamedTuple):
    """A byte in or around a value from which a kernel is to count. `touching` makes a Place of it."""

    storage: Storage
    offset: int

    def shifted(self, distance: int) -> Start:
        return Start(self.storage, self.offset + distance)

    def touching(self, first: int, end: int) -> Place:
        """For a kernel that touches the bytes first <= i < end, counted from this one."""
        return Place(self.storage, self.offset, self.offset + first, self.offset + end)


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
        return self != (0, 0, 0, 0)


NO_BORDER = Border()


class View(msgspec.Struct, frozen=True):
    """A value in a storage: first element at `offset`, strides in bytes, as in NumPy.

    border: how much padding, filled with `fill`, surrounds the elements of a channels-last view.
    flipped: bytes hold q + 128 as unsigned instead of the int8 q.
    OutOfBounds where the elements or the padding do not all lie in the storage, or are boxed.
    """

    storage: Storage
    offset: int
    shape: Shape
    strides: Shape
    dtype: np.dtype
    border: Border = NO_BORDER
    fill: float = 0
    flipped: bool = False

    def __post_init__(self) -> None:
        if self.dtype.hasobject:
            raise OutOfBounds("no program's memory may hold Python's objects")
        first, end = self._extent()
        if self.border and first < end:
            top, left, bottom, right = self.border
            _, row, pixel = self.pitches()
            first, end = first - top * row - left * pixel, end + bottom * row + right * pixel
        if not 0 <= self.offset + first <= self.offset + end <= self.storage.size:
            raise OutOfBounds(
                f"elements of shape {self.shape} would take up bytes {self.offset + first} to {self.offset + end} "
                f"of {self.storage.size}"
            )

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

    def start(self, *index: int) -> Start:
        """The first byte of an element; indices not given are 0."""
        if not index:
            return Start(self.storage, self.offset)
        return Start(self.storage, self.offset + sum(i * s for i, s in zip(index, self.strides, strict=False)))

    def at(self, *index: int) -> Place:
        """For a kernel that touches all elements, or those of these first indices."""
        if not index:
            first, end = self._extent()
            return Place(self.storage, self.offset, self.offset + first, self.offset + end)
        kept = len(index)
        return self.start(*index).touching(*extent(self.shape[kept:], self.strides[kept:], self.itemsize))

    def run(self, count: int) -> Place:
        """For a kernel that touches `count` neighbouring elements from the first on."""
        if count > self.size or not self.contiguous:
            raise OutOfBounds(f"{count} neighbouring elements are wanted of shape {self.shape}")
        return self.start().touching(0, count * self.itemsize)

    def part(self, shape: Shape, strides: Shape, offset: int = 0) -> View:
        """Some of the elements, in any order and number: the first lies `offset` bytes behind this view's first.

        OutOfBounds where they reach beyond this view's elements.
        """
        first, end = extent(shape, strides, self.itemsize)
        if first == end:
            offset = 0
        own_first, own_end = self._extent()
        if not own_first <= offset + first <= offset + end <= own_end:
            raise OutOfBounds(
                f"a part of shape {shape} would take up bytes {offset + first} to {offset + end} "
                f"of a value that has {own_first} to {own_end}"
            )
        return View(
            self.storage, self.offset + offset, shape, strides, self.dtype, fill=self.fill, flipped=self.flipped
        )

    def reshape(self, shape: Shape) -> View:
        """The same elements of a contiguous view in another shape."""
        if not self.contiguous:
            raise ValueError("only a contiguous view can be reshaped")
        if prod(shape) != self.size:
            raise OutOfBounds(f"shape {self.shape} cannot become {shape}")
        return self.part(shape, dense(shape, self.itemsize))

    def surroundings(self) -> dict[str, int]:
        """Bytes in and around the rows of a view that `Builder.surrounded` made, as copy.fill_border takes them."""
        images, rows, width, _ = self.channels_last()
        image, row, pixel = self.pitches()
        before = self.border.top * row + self.border.left * pixel
        inside = width * pixel
        after = image - before - (rows - 1) * row - inside
        return {
            "images": images, "image": image, "rows": rows, "row": row, "before": before, "inside": inside,
            "gap": row - inside, "after": after,
        }  # fmt: skip

    def _extent(self) -> tuple[int, int]:
        return extent(self.shape, self.strides, self.itemsize)

    def channels_last(self) -> tuple[int, int, int, int]:
        """(images, height, width, channels) of a view of rank 3 (N, W, C) or 4 (N, H, W, C)."""
        return channels_last(self.shape)

    def pitches(self) -> tuple[int, int, int]:
        """Bytes between images, rows and pixels of a view of rank 3 or 4."""
        if len(self.shape) == 3:
            return self.strides[0], self.strides[0], self.strides[1]
        return self.strides[0], self.strides[1], self.strides[2]


def channels_last(shape: Shape) -> tuple[int, int, int, int]:
    """(images, height, width, channels) of the shape (N, W, C) or (N, H, W, C)."""
    if len(shape) == 3:
        n, w, c = shape
        return n, 1, w, c
    n, h, w, c = shape
    return n, h, w, c


@lru_cache(1 << 12)
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
