"""ReverseSequence: for each index of the batch axis, the first sequence_lens[index] steps of the time axis reversed."""

from __future__ import annotations

import numpy as np

from ..errors import ModelError
from .checks import INTEGERS, require_kind
from .registry import Context, Inferred, Op, register


def infer(ctx: Context) -> list[Inferred]:
    data, lengths = ctx.input(0), ctx.input(1)
    require_kind(ctx, lengths, INTEGERS)
    batch, time = ctx.attrs["batch_axis"], ctx.attrs["time_axis"]
    if len(data.shape) < 2 or sorted((batch, time)) != [0, 1]:
        raise ctx.error("batch_axis and time_axis must be 0 and 1, or 1 and 0, of a tensor of rank 2 or more")
    if lengths.shape != (data.shape[batch],):
        raise ctx.error(f"sequence_lens must have shape ({data.shape[batch]},), but has {lengths.shape}")
    return [(data.shape, data.dtype)]


def reverse_sequence(
    data: np.ndarray, sequence_lens: np.ndarray, *, batch_axis: int = 1, time_axis: int = 0
) -> np.ndarray:
    steps = data.shape[time_axis]
    if sequence_lens.size and not 0 <= sequence_lens.min() <= sequence_lens.max() <= steps:
        raise ModelError(f"sequence_lens must lie between 0 and {steps}")
    lengths = np.expand_dims(sequence_lens, time_axis)
    time = np.expand_dims(np.arange(steps), batch_axis)
    source = np.where(time < lengths, lengths - 1 - time, time)
    return np.take_along_axis(data, source.reshape(source.shape + (1,) * (data.ndim - 2)), time_axis)


register(Op("ReverseSequence", reverse_sequence, infer, rearranges=True, keeps_shape=True, text=True))
