"""NonMaxSuppression: of boxes that overlap, those with the best scores; and the two that it consists of, of which the
first has a kernel: ClassNonMaxSuppression chooses, into as many places as there can be, and ListChosen lists that."""

from __future__ import annotations

import numpy as np

from ..graph import Graph, Node, Value
from .checks import FLOATS, integer_scalar, require_kind
from .registry import Context, Cost, Inferred, Op, register
from .suppression import corners, greedy

CHOSEN, COMPARED = 50_000, 40
"""Cost.work of a box that is chosen, and of each box that it is compared with."""


def infer(ctx: Context) -> list[Inferred]:
    """How many boxes are left is known once they are chosen."""
    check(ctx)
    more = [None if ctx.optional(index) is None else ctx.elements(index) for index in range(2, len(ctx.inputs))]
    ctx.found = [non_max_suppression(ctx.elements(0), ctx.elements(1), *more, **ctx.attrs)]
    return [(ctx.found[0].shape, ctx.found[0].dtype)]


def check(ctx: Context) -> None:
    boxes, scores = ctx.input(0), ctx.input(1)
    for tensor in (boxes, scores):
        require_kind(ctx, tensor, FLOATS)
    fits = len(boxes.shape) == len(scores.shape) == 3 and boxes.shape[2] == 4 and boxes.shape[0] == scores.shape[0]
    if not fits or boxes.shape[1] != scores.shape[2]:
        raise ctx.error(f"scores of shape {scores.shape} do not fit boxes of shape {boxes.shape}")
    if any(tensor is not None and tensor.size != 1 for tensor in ctx.inputs[2:]):
        raise ctx.error("the number of boxes and the thresholds must be one element each")


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
    chosen = class_non_max_suppression(
        boxes, scores, max_output_boxes_per_class, iou_threshold, score_threshold, center_point_box=center_point_box
    )
    return list_chosen(*chosen)


def parts(node: Node) -> Graph:
    """The two that it consists of."""
    chosen, counts = (f"{node.outputs[0]}/{name}" for name in ("chosen", "counts"))
    nodes = [
        Node("ClassNonMaxSuppression", node.inputs, [chosen, counts], dict(node.attrs), node.name),
        Node("ListChosen", [chosen, counts], list(node.outputs), {}, node.name),
    ]
    return Graph({name: Value(name, np.dtype(np.int32), None) for name in (chosen, counts)}, nodes)


def infer_by_class(ctx: Context) -> list[Inferred]:
    check(ctx)
    (batch, count, _), (_, classes, _) = ctx.input(0).shape, ctx.input(1).shape
    room = 0 if ctx.optional(2) is None else places(count, integer_scalar(ctx, 2))
    return [((batch, classes, room), np.dtype(np.int32)), ((batch, classes), np.dtype(np.int32))]


def places(count: int, most: int) -> int:
    """How many of so many boxes can be chosen."""
    return min(count, max(most, 0))


def class_non_max_suppression(
    boxes: np.ndarray,
    scores: np.ndarray,
    max_output_boxes_per_class: np.ndarray | None = None,
    iou_threshold: np.ndarray | None = None,
    score_threshold: np.ndarray | None = None,
    *,
    center_point_box: int = 0,
) -> tuple[np.ndarray, np.ndarray]:
    """As `non_max_suppression`, but int32 (batch, classes, places): the boxes chosen of each class, the best first,
    zeros behind them; and how many they are, int32 (batch, classes)."""
    most = 0 if max_output_boxes_per_class is None else int(max_output_boxes_per_class.item())
    iou = 0.0 if iou_threshold is None else float(iou_threshold.item())
    least = None if score_threshold is None else score_threshold.item()
    counts = np.zeros(scores.shape[:2], np.int32)
    found = np.zeros((*counts.shape, places(scores.shape[2], most)), np.int32)
    for batch, entry in enumerate(boxes):
        edges = corners(entry, bool(center_point_box))
        for category, values in enumerate(scores[batch]):
            chosen = greedy(edges, values, most, iou, least)
            counts[batch, category] = len(chosen)
            found[batch, category, : len(chosen)] = chosen
    return found, counts


def infer_list(ctx: Context) -> list[Inferred]:
    chosen, counts = ctx.elements(0), ctx.elements(1)
    whole = chosen.dtype.kind in "iu" and counts.dtype.kind in "iu" and chosen.ndim == 3
    if not whole or counts.shape != chosen.shape[:2]:
        raise ctx.error(f"counts of shape {counts.shape} do not fit boxes of shape {chosen.shape}")
    if counts.size and not 0 <= counts.min() <= counts.max() <= chosen.shape[2]:
        raise ctx.error(f"cannot list {counts.min()} to {counts.max()} of {chosen.shape[2]} boxes")
    ctx.found = [list_chosen(chosen, counts)]
    return [(ctx.found[0].shape, ctx.found[0].dtype)]


def list_chosen(chosen: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """int64 (n, 3): batch, class and box of what ClassNonMaxSuppression has chosen."""
    found, at = np.empty((int(counts.sum()), 3), np.int64), 0
    for batch, category in zip(*counts.nonzero(), strict=True):
        length = counts[batch, category]
        some = found[at : at + length]
        some[:, 0], some[:, 1], some[:, 2] = batch, category, chosen[batch, category, :length]
        at += length
    return found


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


register(Op("NonMaxSuppression", non_max_suppression, infer, cost=cost, runs_to_infer=True, parts=parts))
register(Op("ClassNonMaxSuppression", class_non_max_suppression, infer_by_class, cost=cost))
register(Op("ListChosen", list_chosen, infer_list, runs_to_infer=True))
