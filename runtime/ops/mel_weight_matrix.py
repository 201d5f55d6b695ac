"""MelWeightMatrix: triangles on the mel scale that turn a spectrum into mel bins."""

from __future__ import annotations

import numpy as np

from .checks import named_dtype
from .registry import Context, Cost, Inferred, Op, register


def infer(ctx: Context) -> list[Inferred]:
    values = [ctx.constant(index) for index in range(5)]
    if any(value.size != 1 for value in values):
        raise ctx.error("its inputs must be scalars")
    bins, length, rate = (int(value.item()) for value in values[:3])
    low, high = (float(value.item()) for value in values[3:])
    if bins < 1 or length < 1 or rate < 1 or not 0 <= low < high <= rate / 2:
        raise ctx.error(f"{bins} bins from {low} to {high} Hz do not fit {length} samples at {rate} Hz")
    return [((length // 2 + 1, bins), named_dtype(ctx, ctx.attrs["output_datatype"]))]


def mel_weight_matrix(
    num_mel_bins: np.ndarray,
    dft_length: np.ndarray,
    sample_rate: np.ndarray,
    lower_edge_hertz: np.ndarray,
    upper_edge_hertz: np.ndarray,
    *,
    output_datatype: str = "float32",
) -> np.ndarray:
    """(dft_length // 2 + 1, num_mel_bins). Edges lie on whole frequencies, and are spaced by the range divided by
    num_mel_bins + 2, as in ONNX's own implementation."""
    bins, length, rate = (int(value.item()) for value in (num_mel_bins, dft_length, sample_rate))
    low, high = (2595 * np.log10(1 + float(edge.item()) / 700) for edge in (lower_edge_hertz, upper_edge_hertz))
    hertz = 700 * (10 ** ((np.arange(bins + 2) * ((high - low) / (bins + 2)) + low) / 2595) - 1)
    edges = ((length + 1) * hertz // rate).astype(np.int64)[:, None]
    frequency = np.arange(length // 2 + 1)
    left, centre, right = edges[:-2], edges[1:-1], edges[2:]
    rising = np.where(centre > left, (frequency - left) / np.maximum(centre - left, 1), 1)
    falling = (right - frequency) / np.maximum(right - centre, 1)
    weights = np.where((frequency >= left) & (frequency <= centre), rising, 0)
    weights = np.where((frequency >= centre) & (frequency < right), falling, weights)
    return weights.T.astype(output_datatype)


register(Op("MelWeightMatrix", mel_weight_matrix, infer, cost=lambda ctx: Cost(10 * ctx.outputs[0].size)))
