"""DetectionPostProcess: boxes decoded from anchors, and the best of them without those that overlap, as in LiteRT."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from .checks import FLOATS, require_kind
from .registry import Context, Cost, Inferred, Op, register
from .suppression import greedy

COUNTS = ("max_detections", "max_classes_per_detection", "num_classes", "detections_per_class")


def infer(ctx: Context) -> list[Inferred]:
    boxes, scores, anchors = (ctx.input(index) for index in range(3))
    for tensor in (boxes, scores, anchors):
        require_kind(ctx, tensor, FLOATS)
    count = anchors.shape[0] if len(anchors.shape) == 2 and anchors.shape[1] == 4 else -1
    if len(boxes.shape) != 3 or boxes.shape[:2] != (1, count) or boxes.shape[2] < 4:
        raise ctx.error(f"boxes of shape {boxes.shape} do not fit anchors of shape {anchors.shape}")
    if len(scores.shape) != 3 or scores.shape[:2] != (1, count) or scores.shape[2] < ctx.attrs["num_classes"]:
        raise ctx.error(f"scores of shape {scores.shape} do not fit {count} anchors and their classes")
    if min(ctx.attrs[name] for name in COUNTS) < 1 or len(ctx.attrs["scales"]) != 4 or 0 in ctx.attrs["scales"]:
        raise ctx.error("its numbers of detections and classes, and its four scales, must be above 0")
    rows, real = ctx.attrs["max_detections"] * ctx.attrs["max_classes_per_detection"], np.dtype(np.float32)
    return [((1, rows, 4), real), ((1, rows), real), ((1, rows), real), ((1,), real)]


def detection_post_process(
    boxes: np.ndarray,
    scores: np.ndarray,
    anchors: np.ndarray,
    *,
    max_detections: int,
    max_classes_per_detection: int,
    num_classes: int,
    score_threshold: float,
    iou_threshold: float,
    scales: Sequence[float],
    regular: int = 0,
    detections_per_class: int = 100,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """boxes (1, N, 4 or more): centre y, x, height, width relative to anchors (N, 4), times scales; scores (1, N, C),
    of which the last num_classes count. Gives boxes (1, max_detections * max_classes_per_detection, 4): top, left,
    bottom, right; their classes and scores, zeros behind the last; how many (1,).

    regular: suppression within each class, of which the best max_detections are kept. Else by the best class of each
    box, which then gives its best max_classes_per_detection.
    """
    edges = decoded(boxes[0, :, :4].astype(np.float32), anchors.astype(np.float32), np.array(scales, np.float32))
    found = scores[0, :, scores.shape[2] - num_classes :].astype(np.float32)
    if regular:
        kept = [(column, chosen(edges, found[:, column], detections_per_class, score_threshold, iou_threshold))
                for column in range(num_classes)]  # fmt: skip
        rows = np.concatenate([indices for _, indices in kept])
        classes = np.concatenate([np.full(len(indices), column) for column, indices in kept])
        best = np.argsort(-found[rows, classes], kind="stable")[:max_detections]
        rows, classes, count = rows[best], classes[best], len(best)
    else:
        depth = min(max_classes_per_detection, num_classes)
        picked = chosen(edges, found.max(1), max_detections, score_threshold, iou_threshold)
        rows, count = np.repeat(picked, depth), len(picked)
        classes = np.argsort(-found[picked], axis=1, kind="stable")[:, :depth].reshape(-1)
    room = max_detections * max_classes_per_detection
    outputs = [np.zeros((1, room, *more), np.float32) for more in ((4,), (), ())]
    for output, result in zip(outputs, (edges[rows], classes, found[rows, classes]), strict=True):
        output[0, : len(rows)] = result
    return outputs[0], outputs[1], outputs[2], np.array([count], np.float32)


def decoded(boxes: np.ndarray, anchors: np.ndarray, scales: np.ndarray) -> np.ndarray:
    """(N, 4): top, left, bottom, right."""
    centre = boxes[:, :2] / scales[:2] * anchors[:, 2:] + anchors[:, :2]
    half = np.float32(0.5) * np.exp(boxes[:, 2:] / scales[2:]) * anchors[:, 2:]
    return np.concatenate([centre - half, centre + half], 1)


def chosen(edges: np.ndarray, scores: np.ndarray, most: int, least: float, iou: float) -> np.ndarray:
    """Indices of at most so many boxes, none of whose scores is below least, the best first."""
    able = np.flatnonzero(scores >= np.float32(least))
    return able[greedy(edges[able], scores[able], most, iou, None)]


def cost(ctx: Context) -> Cost:
    scores = ctx.input(1)
    return Cost(300 * scores.size, 64 * scores.size)


register(Op("DetectionPostProcess", detection_post_process, infer, cost=cost))
