"""DetectionPostProcess: boxes decoded from anchors, and the best of them without those that overlap, as in LiteRT."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from ..errors import ModelError
from ..graph import Attribute, Graph, Node, Value
from .checks import FLOATS, INTEGERS, require_kind
from .non_max_suppression import class_non_max_suppression, list_chosen
from .registry import Context, Cost, Inferred, Op, register

DETECTIONS_PER_CLASS = 100
LAST = (1 << 31) - 1
"""The end of a slice up to the last element."""
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
    _check_numbers(ctx.node, ctx.attrs)
    return shapes_of(ctx)


def _check_numbers(node: Node, attrs: Mapping[str, Attribute]) -> None:
    counts = (attrs.get(name, DETECTIONS_PER_CLASS) for name in COUNTS)
    if min(counts) < 1 or len(attrs["scales"]) != 4 or 0 in attrs["scales"]:
        raise ModelError(f"{node}: its numbers of detections and classes, and its four scales, must be above 0")


def shapes_of(ctx: Context) -> list[Inferred]:
    """Of boxes, classes, scores and their number."""
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
    detections_per_class: int = DETECTIONS_PER_CLASS,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """boxes (1, N, 4 or more): centre y, x, height, width relative to anchors (N, 4), times scales; scores (1, N, C),
    of which the last num_classes count. Gives boxes (1, max_detections * max_classes_per_detection, 4): top, left,
    bottom, right; their classes and scores, zeros behind the last; how many (1,).

    regular: suppression within each class, of which the best max_detections are kept. Else by the best class of each
    box, which then gives its best max_classes_per_detection.
    """
    edges = decoded(boxes[0, :, :4].astype(np.float32), anchors.astype(np.float32), np.array(scales, np.float32))
    own = scores[..., scores.shape[2] - num_classes :].astype(np.float32)
    lists = own if regular else own.max(2, keepdims=True)
    most = detections_per_class if regular else max_detections
    chosen, counts = class_non_max_suppression(
        edges[None], lists.transpose(0, 2, 1), np.array(most), np.array(iou_threshold, np.float32),
        below(score_threshold),
    )  # fmt: skip
    return list_detections(
        edges[None], own, chosen, counts, max_detections=max_detections,
        max_classes_per_detection=max_classes_per_detection, regular=regular,
    )  # fmt: skip


def decoded(boxes: np.ndarray, anchors: np.ndarray, scales: np.ndarray) -> np.ndarray:
    """(N, 4): top, left, bottom, right."""
    centre = boxes[:, :2] / scales[:2] * anchors[:, 2:] + anchors[:, :2]
    half = np.float32(0.5) * np.exp(boxes[:, 2:] / scales[2:]) * anchors[:, 2:]
    return np.concatenate([centre - half, centre + half], 1)


def below(score: float) -> np.ndarray:
    """What exactly the scores from this one on are above; of 0 a normal number, as kernels take the others for zero."""
    least = np.float32(score)
    return np.array(-np.finfo(np.float32).tiny if least == 0 else np.nextafter(least, np.float32(-np.inf)), np.float32)


def parts(node: Node) -> Graph:
    """What it consists of: `decoded` and the classes' scores, ClassNonMaxSuppression, and ListDetections."""
    values, nodes = dict[str, Value](), list[Node]()
    attrs, name = node.attrs, node.outputs[0]

    def constant(what: str, data: object, dtype: type = np.float32) -> str:
        array: np.ndarray = np.array(data, dtype)
        values[f"{name}/{what}"] = Value(f"{name}/{what}", array.dtype, array.shape, None, array)
        return f"{name}/{what}"

    def add(op: str, inputs: list[str], what: str, **more: Attribute) -> str:
        dtype = np.dtype(np.int32 if what in ("chosen", "counts") else np.float32)
        values[f"{name}/{what}"] = Value(f"{name}/{what}", dtype)
        nodes.append(Node(op, inputs, [f"{name}/{what}"], more, f"{node.name or name}/{what}"))
        return f"{name}/{what}"

    def columns(data: str, first: int, end: int, axis: int, what: str) -> str:
        places = [constant(f"{what}.{at}", [number], np.int64) for at, number in enumerate((first, end, axis))]
        return add("Slice", [data, *places], what)

    _check_numbers(node, attrs)
    boxes, scores, anchors = node.inputs
    y, x, height, width = (float(scale) for scale in attrs["scales"])
    middle, size = columns(anchors, 0, 2, 1, "middle"), columns(anchors, 2, 4, 1, "size")
    moved = add("Div", [columns(boxes, 0, 2, 2, "at"), constant("steps", [y, x])], "moved")
    centre = add("Add", [add("Mul", [moved, size], "far"), middle], "centre")
    log = add("Div", [columns(boxes, 2, 4, 2, "of"), constant("growth", [height, width])], "log")
    grown = add("Exp", [log], "grown")
    half = add("Mul", [add("Mul", [constant("half", 0.5), grown], "halved"), size], "radius")
    edges = add("Concat", [add("Sub", [centre, half], "first"), add("Add", [centre, half], "last")], "edges", axis=2)
    own = columns(scores, -int(attrs["num_classes"]), LAST, 2, "own")
    regular = bool(attrs.get("regular", 0))
    lists = own if regular else add("ReduceMax", [own, constant("classes", [2], np.int64)], "best", keepdims=1)
    most = attrs.get("detections_per_class", DETECTIONS_PER_CLASS) if regular else attrs["max_detections"]
    thresholds = [constant("iou", attrs["iou_threshold"]), constant("least", below(attrs["score_threshold"]))]
    lines = add("Transpose", [lists], "lines", perm=[0, 2, 1])
    chosen = add("ClassNonMaxSuppression", [edges, lines, constant("most", most, np.int64), *thresholds], "chosen")
    counts = f"{name}/counts"
    values[counts] = Value(counts, np.dtype(np.int32))
    nodes[-1].outputs.append(counts)
    kept: dict[str, Attribute] = {key: attrs[key] for key in ("max_detections", "max_classes_per_detection")}
    last = Node("ListDetections", [edges, own, chosen, counts], list(node.outputs), {**kept, "regular": int(regular)})
    last.name = node.name
    nodes.append(last)
    return Graph(values, nodes)


def infer_list(ctx: Context) -> list[Inferred]:
    edges, scores, chosen, counts = (ctx.input(index) for index in range(4))
    for tensor in (edges, scores):
        require_kind(ctx, tensor, FLOATS)
    for tensor in (chosen, counts):
        require_kind(ctx, tensor, INTEGERS)
    count = edges.shape[1] if len(edges.shape) == 3 else -1
    lists = scores.shape[2] if ctx.attrs["regular"] and len(scores.shape) == 3 else 1
    shapes = edges.shape == (1, count, 4) and len(scores.shape) == 3 and scores.shape[:2] == (1, count)
    if not shapes or len(chosen.shape) != 3 or chosen.shape[:2] != (1, lists) or counts.shape != (1, lists):
        raise ctx.error(f"boxes chosen, of shape {chosen.shape}, do not fit scores of shape {scores.shape}")
    if min(ctx.attrs["max_detections"], ctx.attrs["max_classes_per_detection"]) < 1:
        raise ctx.error("its numbers of detections must be above 0")
    return shapes_of(ctx)


def list_detections(
    edges: np.ndarray, scores: np.ndarray, chosen: np.ndarray, counts: np.ndarray, *, max_detections: int,
    max_classes_per_detection: int, regular: int = 0,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:  # fmt: skip
    """DetectionPostProcess's outputs, of what ClassNonMaxSuppression has chosen: with regular, of each class, else of
    the boxes by their best one. edges (1, N, 4), scores (1, N, classes)."""
    found = scores[0]
    if regular:
        _, classes, rows = list_chosen(chosen, counts).T
        best = np.argsort(-found[rows, classes], kind="stable")[:max_detections]
        rows, classes, count = rows[best], classes[best], len(best)
    else:
        depth, picked = min(max_classes_per_detection, found.shape[1]), chosen[0, 0, : counts[0, 0]]
        rows, count = np.repeat(picked, depth), len(picked)
        classes = np.argsort(-found[picked], axis=1, kind="stable")[:, :depth].reshape(-1)
    room = max_detections * max_classes_per_detection
    outputs = [np.zeros((1, room, *more), np.float32) for more in ((4,), (), ())]
    for output, result in zip(outputs, (edges[0, rows], classes, found[rows, classes]), strict=True):
        output[0, : len(rows)] = result
    return outputs[0], outputs[1], outputs[2], np.array([count], np.float32)


def cost(ctx: Context) -> Cost:
    scores = ctx.input(1)
    return Cost(300 * scores.size, 64 * scores.size)


register(Op("DetectionPostProcess", detection_post_process, infer, cost=cost, parts=parts))
register(Op("ListDetections", list_detections, infer_list))
