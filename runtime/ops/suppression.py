"""Greedy suppression: of boxes that overlap, the one with the best score."""

from __future__ import annotations

import numpy as np


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
