"""NON_MAX_SUPPRESSION_V4 and V5, and the custom operator TFLite_Detection_PostProcess."""

from __future__ import annotations

import numpy as np

from ....runtime.graph import Attribute
from ..custom import flexible
from ..handlers import handles
from ..operator import Operator


@handles("NON_MAX_SUPPRESSION_V4", "NON_MAX_SUPPRESSION_V5")
def non_max_suppression(op: Operator) -> None:
    """Outputs: the boxes chosen, V5 also their scores, and how many they are."""
    soft = op.kind.endswith("V5")
    inputs = [op.real_input(0), op.real_input(1), op.int64_input(2, "most")]
    inputs += [op.real_input(position) for position in range(3, 6 if soft else 5)]
    scores = op.output(1) if soft else op.temporary("scores", op.value(inputs[1]).dtype)
    op.node("PaddedNonMaxSuppression", inputs, [op.output(), scores, op.output(2 if soft else 1)])


SCALES = ("y_scale", "x_scale", "h_scale", "w_scale")


@handles("CUSTOM TFLite_Detection_PostProcess")
def detection_post_process(op: Operator) -> None:
    """Inputs: encoded boxes, class scores, anchors. Outputs: boxes, classes, scores, how many. Its options are a
    flexbuffer map."""
    options = _numbers(op)
    attrs: dict[str, Attribute] = {
        "max_detections": int(options["max_detections"]),
        "max_classes_per_detection": int(options["max_classes_per_detection"]),
        "num_classes": int(options["num_classes"]),
        "score_threshold": float(options["nms_score_threshold"]),
        "iou_threshold": float(options["nms_iou_threshold"]),
        "scales": [float(options[name]) for name in SCALES],
        "regular": int(bool(options.get("use_regular_nms", False))),
        "detections_per_class": int(options.get("detections_per_class", 100)),
    }
    inputs = [op.real_input(position) for position in range(3)]
    outputs = [op.output(position) for position in range(4)]
    if any(op.value(name).dtype != np.float32 for name in outputs):
        raise op.unsupported("its outputs are not float32")
    op.node("DetectionPostProcess", inputs, outputs, **attrs)


def _numbers(op: Operator) -> dict[str, bool | int | float]:
    """The options that are numbers. ModelError where one that is needed is not there."""
    options = {name: value for name, value in flexible(op).items() if isinstance(value, (bool, int, float))}
    needed = ("max_detections", "max_classes_per_detection", "num_classes", "nms_score_threshold", "nms_iou_threshold")
    missing = [name for name in (*needed, *SCALES) if name not in options]
    if missing:
        raise op.error(f"its options lack {', '.join(missing)}")
    return options
