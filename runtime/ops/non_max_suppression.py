"""NonMaxSuppression and its padded form: of boxes that overlap, those with the best scores."""

from __future__ import annotations

import numpy as np

from .checks import FLOATS, integer_scalar, require_kind
from .registry import Context, Cost, Inferred, Op, register

CHOSEN, COMPARED = 50_000, 40
"""Cost.work of a box that is chosen, and of each box that it is compared with."""


def infer(ctx: Context) -> list[Inferred]:
    """How many boxes are left is known once they are chosen."""
    boxes, scores = ctx.input(0), ctx.input(1)
    for tensor in (boxes, scores):
        require_kind(ctx, tensor, FLOATS)
    fits = len(boxes.shape) == len(scores.shape) == 3 and boxes.shape[2] == 4 and boxes.shape[0] == scores.shape[0]
    if not fits or boxes.shape[1] != scores.shape[2]:
        raise ctx.error(f"scores of shape {scores.shape} do not fit boxes of shape {boxes.shape}")
    if any(tensor is not None and tensor.size != 1 for tensor in ctx.inputs[2:]):
        raise ctx.error("the number of boxes and the thresholds must be one element each")
    more = [None if ctx.optional(index) is None else ctx.elements(index) for index in range(2, len(ctx.inputs))]
    ctx.found = [non_max_suppression(ctx.elements(0), ctx.elements(1), *more, **ctx.attrs)]
    return [(ctx.found[0].shape, ctx.found[0].dtype)]


def non_max_suppression(
    boxes: np.ndarray,
    scores: np.ndarray,
    max_output_boxes_per_class: np.ndarray | None = None,
    iou_threshold: np.ndarray | None = None,
    score_threshold: np.ndarray | None = None,
    *,
    center_point_box: int = 0,
) -> np.ndarray:
    """boxes (batch, count, 4): two corners y, x each or, with center_point_box, centre x, y, width and height; scores
    (batch, classes, count). int64 (chosen, 3): batch, class and box, the best of each class first."""
    most = 0 if max_output_boxes_per_class is None else int(max_output_boxes_per_class.item())
    iou = 0.0 if iou_threshold is None else float(iou_threshold.item())
    least = None if score_threshold is None else score_threshold.item()
    found = []
    for batch, entry in enumerate(boxes):
        edges = corners(entry, bool(center_point_box))
        for category, values in enumerate(scores[batch]):
            chosen = greedy(edges, values, most, iou, least)
            found.append(np.stack([np.full_like(chosen, batch), np.full_like(chosen, category), chosen], -1))
    return np.concatenate(found).astype(np.int64) if found else np.zeros((0, 3), np.int64)


def corners(boxes: np.ndarray, centred: bool) -> np.ndarray:
    """(count, 4): top, left, bottom, right."""
    if not centred:
        low, high = np.minimum(boxes[:, :2], boxes[:, 2:]), np.maximum(boxes[:, :2], boxes[:, 2:])
        return np.concatenate([low, high], -1)
    centre, half = boxes[:, 1::-1], boxes[:, :1:-1] / 2
    return np.concatenate([centre - half, centre + half], -1)


def overlaps(box: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Intersection over union of one box with others; 0 where one of the two has no area."""
    size = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    common = np.where((size > 0).all(-1), size.prod(-1), 0)
    areas = (others[:, 2:] - others[:, :2]).prod(-1)
    own = (box[2:] - box[:2]).prod()
    union = own + areas - common
    return np.where((areas > 0) & (own > 0) & (union > 0), common / np.where(union > 0, union, 1), 0)


def greedy(edges: np.ndarray, scores: np.ndarray, most: int, iou: float, least: float | None) -> np.ndarray:
    """Indices of at most so many boxes, the best first; of equal scores the first."""
    order = np.argsort(-scores, kind="stable")
    if least is not None:
        order = order[scores[order] > least]
    chosen = list[int]()
    while len(order) and len(chosen) < most:
        chosen.append(int(order[0]))
        order = order[1:][overlaps(edges[order[0]], edges[order[1:]]) <= iou]
    return np.array(chosen, np.int64)


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


def cost(ctx: Context) -> Cost:
    """A box that is chosen is compared with all that are left. Where scores are not known, all may be chosen."""
    scores, most, least = ctx.input(1), ctx.optional(2), ctx.optional(4)
    lists, count = scores.size // max(scores.shape[-1], 1), scores.shape[-1]
    left = np.full(lists, count)
    if scores.data is not None and least is not None and least.data is not None:
        left = np.count_nonzero(scores.data > least.data.reshape(()), axis=-1).reshape(-1)
    allowed = count if most is None or most.data is None else int(most.data.item())
    chosen = np.clip(left, 0, max(allowed, 0))
    work = sum(int(times) * (CHOSEN + COMPARED * int(each)) for times, each in zip(chosen, left, strict=True))
    return Cost(200 * scores.size + work, 64 * count)


register(Op("NonMaxSuppression", non_max_suppression, infer, cost=cost, runs_to_infer=True))
register(Op("PaddedNonMaxSuppression", padded_non_max_suppression, infer_padded, cost=cost))
