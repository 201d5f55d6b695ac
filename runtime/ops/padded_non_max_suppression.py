"""PaddedNonMaxSuppression: TFLite's, of one list of boxes, which gives as many as are asked for."""

from __future__ import annotations

import numpy as np

from .checks import FLOATS, integer_scalar, require_kind
from .non_max_suppression import cost
from .registry import Context, Inferred, Op, register
from .suppression import corners, overlaps


def infer_padded(ctx: Context) -> list[Inferred]:
    boxes, scores, most = ctx.input(0), ctx.input(1), integer_scalar(ctx, 2)
    for tensor in (boxes, scores):
        require_kind(ctx, tensor, FLOATS)
    if len(boxes.shape) != 2 or boxes.shape[1] != 4 or scores.shape != boxes.shape[:1]:
        raise ctx.error(f"scores of shape {scores.shape} do not fit boxes of shape {boxes.shape}")
    if most < 0:
        raise ctx.error(f"cannot choose {most} boxes")
    return [((most,), np.dtype(np.int32)), ((most,), scores.dtype), ((), np.dtype(np.int32))]


def padded_non_max_suppression(
    boxes: np.ndarray,
    scores: np.ndarray,
    max_output_size: np.ndarray,
    iou_threshold: np.ndarray,
    score_threshold: np.ndarray,
    soft_nms_sigma: np.ndarray | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """TFLite's NON_MAX_SUPPRESSION_V4 and V5. boxes (count, 4): two corners y, x each; scores (count,). Indices and
    scores of the boxes chosen, zeros behind them, and how many they are. With a sigma above 0 scores of boxes that
    overlap decay instead (Bodla et al., Soft-NMS, 2017)."""
    most, iou, least = int(max_output_size.item()), float(iou_threshold.item()), float(score_threshold.item())
    sigma = 0.0 if soft_nms_sigma is None else float(soft_nms_sigma.item())
    edges, left = corners(boxes, centred=False), scores.astype(np.float32)
    chosen, kept = list[int](), list[np.float32]()
    waiting = np.flatnonzero(left > least)
    while len(waiting) and len(chosen) < most:
        best = waiting[np.argmax(left[waiting])]
        chosen.append(int(best))
        kept.append(left[best])
        waiting = waiting[waiting != best]
        shared = overlaps(edges[best], edges[waiting])
        # TFLite suppresses at the threshold, too, and with a sigma beyond it altogether.
        left[waiting] = np.where(shared >= iou, -np.inf, left[waiting])
        if sigma > 0:
            left[waiting] *= np.exp(np.float32(-0.5 / sigma) * shared * shared).astype(np.float32)
        waiting = waiting[left[waiting] > least]
    indices, found = np.zeros(most, np.int32), np.zeros(most, scores.dtype)
    indices[: len(chosen)], found[: len(chosen)] = chosen, kept
    return indices, found, np.array(len(chosen), np.int32)


register(Op("PaddedNonMaxSuppression", padded_non_max_suppression, infer_padded, cost=cost))
