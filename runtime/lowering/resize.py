"""Resize of one or two axes (of any number for nearest) onto kernels/resize.py."""

from __future__ import annotations

from math import prod

import msgspec
import numpy as np

from ..kernels.resize import resample
from ..ops.registry import Context
from ..ops.resample import Taps
from ..ops.resize import WEIGHT_BITS, axis_taps
from ..program.bounds import int32
from ..program.builder import Builder
from ..program.view import Place, View, levels
from .chunking import blocks_of_a_chunk
from .registry import lowers
from .windows import channel_vectors

MOST_TAPS = 4
LONGEST_TABLE = 1 << 18
"""Lines, or pixels of a line, of outputs that are listed one by one."""


class Gathered(msgspec.Struct, frozen=True):
    """Along some axes: byte offset of each output, of the inputs that it is made of, and their weights (or None)."""

    outputs: np.ndarray
    inputs: np.ndarray
    weights: np.ndarray | None

    @property
    def reads(self) -> tuple[int, int]:
        """The least and the greatest byte offset of an input."""
        return int(self.inputs.min()), int(self.inputs.max())

    @property
    def writes(self) -> tuple[int, int]:
        return int(self.outputs.min()), int(self.outputs.max())

    def table(self) -> np.ndarray:
        """The int32 entries that ResampleStep reads."""
        words = [int32("an offset of an output", self.outputs[:, None]), int32("an offset of an input", self.inputs)]
        if self.weights is not None:
            words.append(self.weights.view(np.int32))
        return np.concatenate(words, axis=1)


@lowers("Resize")
def resize(ctx: Context, b: Builder) -> bool:
    x, y, attrs = ctx.input(0), ctx.outputs[0], ctx.attrs
    if any(n > LONGEST_TABLE for n, size in zip(y.shape, x.shape, strict=True) if n != size):
        return False
    taps = axis_taps(x.shape, [ctx.optional_constant(i) for i in (1, 2, 3)], attrs)
    if not _served(ctx, taps):
        return False
    copies = attrs["mode"] == "nearest" or not taps
    last = max(taps, default=len(x.shape) - 2 if len(x.shape) > 1 else 0)
    if prod(y.shape[:last]) > LONGEST_TABLE:
        return False
    source = b.input(0)
    if len(levels(source.shape[last + 1 :], (source.strides[last + 1 :],))[0]) > 1:
        source = b.contiguous(source)
    target = b.output(contiguous=len(x.shape) > 4 or last != len(x.shape) - 2)
    bits = 0 if copies or x.dtype == np.float32 else WEIGHT_BITS
    rows = _gathered(taps, range(last), source, target, bits)
    columns = _gathered(taps, range(last, last + 1), source, target, bits)
    _emit(b, source, target, rows, columns, prod(x.shape[last + 1 :]), bits * len(taps))
    return True


def _served(ctx: Context, taps: dict[int, Taps]) -> bool:
    x, y, attrs = ctx.input(0), ctx.outputs[0], ctx.attrs
    if x.quant != y.quant or any(tap.outside.any() for tap in taps.values()):
        return False
    if attrs["mode"] == "nearest":
        return True
    crops = attrs["coordinate_transformation_mode"] == "tf_crop_and_resize"
    if x.dtype == np.int8 and x.quant is not None:
        return attrs["mode"] == "linear" and not attrs["antialias"] and not crops and len(taps) <= 2
    return x.dtype == np.float32 and len(taps) <= 2 and all(t.indices.shape[1] <= MOST_TAPS for t in taps.values())


def _gathered(taps: dict[int, Taps], axes: range, x: View, y: View, bits: int) -> Gathered:
    """Every combination of the outputs along these axes; at most one of them has more than one tap."""
    outputs, inputs = np.zeros(1, np.int64), np.zeros((1, 1), np.int64)
    weights: np.ndarray | None = None
    for axis in axes:
        count = y.shape[axis]
        indices = taps[axis].indices if axis in taps else np.arange(count)[:, None]
        outputs = (outputs[:, None] + np.arange(count) * y.strides[axis]).reshape(-1)
        placed = inputs[:, None, :, None] + (indices * x.strides[axis])[None, :, None, :]
        size = inputs.shape[1] * indices.shape[1]
        if indices.shape[1] > 1:
            own = _integers(taps[axis].weights) if bits else taps[axis].weights
            weights = np.repeat(own[None], len(inputs), 0).reshape(-1, size)
        elif weights is not None:
            weights = np.repeat(weights, count, 0)
        inputs = placed.reshape(-1, size)
    return Gathered(outputs, inputs, None if weights is None else np.ascontiguousarray(weights))


def _place(view: View, rows: tuple[int, int], columns: tuple[int, int], inner: int) -> Place:
    """From the least and greatest offsets along each axis."""
    return view.start().touching(rows[0] + columns[0], rows[1] + columns[1] + inner * view.itemsize)


def _integers(weights: np.ndarray) -> np.ndarray:
    """Weights of two taps as int32 fractions that sum up to 2^WEIGHT_BITS."""
    second = np.rint(weights[:, 1] * np.float32(2**WEIGHT_BITS)).astype(np.int32)
    return np.stack([2**WEIGHT_BITS - second, second], axis=1)


def _emit(b: Builder, x: View, y: View, rows: Gathered, columns: Gathered, inner: int, bits: int) -> None:
    """inner: elements behind the last axis that is resampled, which are taken as they are."""
    copied = rows.weights is None and columns.weights is None
    element = "i8" if copied else "f32" if x.dtype == np.float32 else "u8" if x.flipped else "i8"
    channels = inner * x.itemsize if copied else inner
    lanes, offsets, blocks = channel_vectors(channels, b.target.vector_bytes // (1 if copied else 4))
    constants = {
        "element": element, "lanes": lanes, "offsets": offsets, "row_taps": rows.inputs.shape[1],
        "column_taps": columns.inputs.shape[1], "bits": bits,
    }  # fmt: skip
    lines, pixels = len(rows.outputs), len(columns.outputs)
    together = blocks_of_a_chunk(b, lines, blocks)
    b.call(
        resample, constants, blocks // together * lines, work=lines * pixels * channels,
        x=_place(x, rows.reads, columns.reads, inner), y=_place(y, rows.writes, columns.writes, inner),
        rows=b.constant(rows.table()), columns=b.constant(columns.table()), lines=lines, blocks=together, pixels=pixels,
        last_channel=channels - offsets[-1] - lanes,
    )  # fmt: skip
