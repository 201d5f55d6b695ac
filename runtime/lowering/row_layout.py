"""How operands of an elementwise operator are laid out as rows for kernels/elementwise.py."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from msgspec.structs import replace

from ..compiler.abi import Kernel
from ..kernels.copy import COPY_LEVELS
from ..kernels.elementwise import LEVELS, OPERANDS, PART
from ..ops.registry import Tensor
from ..program.bounds import extent
from ..program.builder import Builder
from ..program.view import Place, Shape, View, dense, levels
from .movement import broadcast

READ_AGAIN = 256
"""Bytes at the end of a row, at most: a vector of elements."""
SHORT_ROW = 256
"""Elements below which a row is repeated, where that makes longer rows of the other operands."""


class OperandRows:
    """The operands and the output as LEVELS nested dimensions; y's innermost is contiguous, an operand's contiguous
    or of stride 0 (`scalars`).

    May append copies to the builder.
    """

    def __init__(self, b: Builder, operands: Sequence[View], y: View) -> None:
        self.b, self.y = b, y
        self.operands = [broadcast(x, y.shape) for x in operands]
        self._set_levels()
        irregular = [i for i, x in enumerate(operands) if self.strides[i + 1][-1] not in (0, x.itemsize)]
        if irregular:
            for index in irregular:
                self.operands[index] = broadcast(b.contiguous(operands[index]), y.shape)
            self._set_levels()
        if len(self.sizes) > LEVELS:
            self.operands = [b.contiguous(x) for x in self.operands]
            self._set_levels()
        self._lengthen()
        self.scalars = [s[-1] == 0 for s in self.strides[1:]]

    @staticmethod
    def fit(y: Tensor) -> bool:
        """Whether operands that broadcast to y can be laid out so, whatever their strides."""
        return sum(n != 1 for n in y.shape) <= COPY_LEVELS

    def _set_levels(self) -> None:
        strides = (self.y.strides, *(x.strides for x in self.operands))
        self.sizes, self.strides = levels(self.y.shape, strides)
        if self.strides[0][-1] != self.y.itemsize:
            self.sizes = (*self.sizes, 1)
            self.strides = tuple((*s, 0) for s in self.strides)

    def _lengthen(self) -> None:
        """Repeats a short row that serves many rows of the other operands until it has SHORT_ROW elements."""
        sizes, strides = self.sizes, self.strides
        if len(sizes) < 2 or sizes[-1] >= SHORT_ROW or sizes[-1] == 1:
            return
        count = _factor(sizes[-2], -(-SHORT_ROW // sizes[-1]))
        items = [self.y.itemsize, *(x.itemsize for x in self.operands)]
        repeated = [s[-2] == 0 and s[-1] != 0 for s in strides]
        joined = [s[-2] == sizes[-1] * s[-1] for s in strides]
        if count == 1 or not all(r or j for r, j in zip(repeated, joined, strict=True)) or not joined[0]:
            return
        outer = sizes[:-2]
        for index, x in enumerate(self.operands):
            if not repeated[index + 1]:
                continue
            kept = tuple(n if s else 1 for n, s in zip(outer, strides[index + 1], strict=False))
            shape = (*kept, count, sizes[-1])
            source = x.part(shape, (*strides[index + 1][:-2], 0, items[index + 1]))
            longer = self._materialized(source)
            self.operands[index] = longer
            pitches = tuple(0 if n == 1 else s for n, s in zip(kept, longer.strides, strict=False))
            strides = _put(strides, index + 1, (*pitches, 0, items[index + 1]))
        long = sizes[-1] * count
        self.sizes = (*outer, sizes[-2] // count, long)
        self.strides = tuple((*s[:-2], 0 if r else long * s[-1], s[-1]) for s, r in zip(strides, repeated, strict=True))
        if self.sizes[-2] == 1:
            self.sizes = (*self.sizes[:-2], long)
            self.strides = tuple((*s[:-2], s[-1]) for s in self.strides)

    def _materialized(self, view: View) -> View:
        if not view.constant:
            made = self.b.temporary(view.shape, view.dtype, view.flipped)
            self.b.copy(view, made)
            return made
        first = np.ndarray((1,), view.dtype, self.b.weights.memory.data, view.storage.offset + view.offset)
        data = np.lib.stride_tricks.as_strided(first, view.shape, view.strides)
        return replace(
            view, storage=self.b.constant(np.ascontiguousarray(data)).storage, offset=0,
            strides=dense(view.shape, view.itemsize),
        )  # fmt: skip

    def call(self, kernel: Kernel, constants: Mapping[str, Any], work: int, p: Place | None = None) -> None:
        """Appends the kernel's call. work: multiply-adds for one element."""
        absent = OPERANDS - len(self.operands)
        strides = (*self.strides, *(self.strides[0],) * absent)
        own, *operands = (
            view.start().touching(*extent(self.sizes, pitches, view.itemsize))
            for view, pitches in zip((self.y, *self.operands), self.strides, strict=True)
        )
        a, b, c = (*operands, *(own,) * absent)
        chunks, loops = _loops(self.sizes, strides)
        leads = self._leads(loops, own, operands)
        self.b.call(
            kernel, constants, chunks, loops, None, leads, work=work * self.y.size, p=p or own, y=own, a=a, b=b, c=c
        )

    def _leads(self, loops: Mapping[str, int], own: Place, operands: Sequence[Place]) -> dict[str, int]:
        """Of operands that lie as y does. The last elements of a row are read again when they are written already."""
        rows, size = self.strides[0], self.sizes[-1]
        upwards = all(far >= near * n for far, near, n in zip(rows, rows[1:], self.sizes[1:], strict=False))
        if not upwards or (loops["part"] < size and len(self.sizes) > 1):
            return {}
        return {
            name: own.first - place.first + READ_AGAIN
            for name, place, pitches, x in zip("abc", operands, self.strides[1:], self.operands, strict=False)
            if pitches == rows and x.itemsize == self.y.itemsize
        }


@lru_cache(1 << 12)
def _loops(sizes: Shape, strides: tuple[Shape, ...]) -> tuple[int, dict[str, int]]:
    """How many chunks there are, and the kernel's sizes and pitches. strides: of y, a, b and c."""
    lead = LEVELS - len(sizes)
    middle = lead if len(sizes) > 1 else 0
    sizes = (1,) * (lead - middle) + sizes[:1] + (1,) * middle + sizes[1:]
    strides = tuple((0,) * (lead - middle) + s[:1] + (0,) * middle + s[1:] for s in strides)
    inside = sizes[1] * sizes[2] * sizes[3]
    part = sizes[3] if sizes[3] < 2 * PART else PART
    group = max(1, min(sizes[0], PART // inside)) if part == sizes[3] else 1
    arguments = {f"n{i}": n for i, n in enumerate(sizes)} | {"group": group, "part": part}
    for name, pitches in zip("yabc", strides, strict=True):
        arguments |= {f"{name}{i}": s for i, s in enumerate(pitches[:-1])}
    return -(-sizes[0] // group) * -(-sizes[3] // part), arguments


def _factor(number: int, least: int) -> int:
    """The smallest divisor that is at least `least` and not much more; the number itself if it is less, else 1."""
    if number <= least:
        return number
    return next((n for n in range(least, min(number, 8 * least) + 1) if number % n == 0), 1)


def _put(items: tuple[tuple[int, ...], ...], index: int, item: tuple[int, ...]) -> tuple[tuple[int, ...], ...]:
    return (*items[:index], item, *items[index + 1 :])
