"""Non-maximum suppression's kernel against its reference, and as what a NonMaxSuppression is planned."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from kernel_cases import TARGETS, Operand, Output, check_node, const, feed
from session_models import node_graph

from millijoule.runtime.errors import ModelError
from millijoule.runtime.graph import Node
from millijoule.runtime.model import Model
from millijoule.runtime.ops.non_max_suppression import non_max_suppression
from millijoule.runtime.session import load

KERNEL = "suppression."


def boxes(shape: tuple[int, ...], seed: int, *, centred: bool = False) -> np.ndarray:
    """Many of them overlap, some have no area, and corners come in any order."""
    rng = np.random.default_rng(seed)
    centre, size = rng.integers(0, 12, (*shape, 2)), rng.integers(0, 6, (*shape, 2))
    both = [centre, size] if centred else [centre - size / 2, centre + size / 2][:: 1 - 2 * (seed % 2)]
    return np.concatenate(both, -1).astype(np.float32)


def scores(shape: tuple[int, ...], seed: int) -> np.ndarray:
    """Few different ones, so that many are equal."""
    return np.random.default_rng(seed).choice(np.linspace(-0.5, 1, 16), shape).astype(np.float32)


def number(value: float) -> Operand:
    return const(np.array([value], np.float32))


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize("count", [1, 2, 7, 16, 17, 33, 100])
def test_boxes_of_classes(count: int, centred: bool, target: str) -> None:
    asked = [(3, 0.5, 0.1), (200, 0.0, -1), (200, 1.0, 0.3), (5, 0.3, 2), (9, 0.2, None)]
    for seed, (most, iou, least) in enumerate(asked):
        operands = [
            feed(boxes((2, count), seed, centred=centred)), feed(scores((2, 3, count), seed)),
            const(np.array([most])), number(iou), *([] if least is None else [number(least)]),
        ]  # fmt: skip
        kernels = check_node(
            "ClassNonMaxSuppression", operands, [Output("int32"), Output("int32")], target=target,
            center_point_box=int(centred),
        )  # fmt: skip
        assert any(name.startswith(KERNEL) for name in kernels)


@pytest.mark.parametrize("target", TARGETS)
def test_what_is_no_number(target: str) -> None:
    values, given = scores((1, 2, 40), 3), boxes((1, 40), 3)
    values[0, 0, ::5], values[0, 1, ::7], values[0, :, 3] = np.nan, np.inf, -np.inf
    given[0, ::3, 1], given[0, 4, 2], given[0, 8] = np.nan, np.inf, (0, -np.inf, np.inf, 1)
    for least in (None, 0.2):
        for centred in (0, 1):
            more = [] if least is None else [number(least)]
            operands = [feed(given), feed(values), const(np.array(40)), number(0.4), *more]
            check_node(
                "ClassNonMaxSuppression", operands, [Output("int32"), Output("int32")], target=target,
                center_point_box=centred,
            )  # fmt: skip


@pytest.mark.parametrize("absent", [{3}, {4}, {3, 4}])
def test_without_thresholds(absent: set[int]) -> None:
    operands = [feed(boxes((1, 50), 1)), feed(scores((1, 2, 50), 1)), const(np.array(7)), number(0.5), number(0.1)]
    given = [None if at in absent else operand for at, operand in enumerate(operands)]
    check_node("ClassNonMaxSuppression", given, [Output("int32"), Output("int32")])


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("sigma", [None, 0.0])
@pytest.mark.parametrize("most", [1, 6, 60])
def test_padded(most: int, sigma: float | None, target: str) -> None:
    for seed, (iou, least) in enumerate([(0.5, 0.1), (0.25, -1), (1.0, 0.3), (0.5, 2)]):
        operands = [
            feed(boxes((45,), seed)), feed(scores((45,), seed)), const(np.array(most, np.int32)), number(iou),
            number(least), *([] if sigma is None else [const(np.float32(sigma))]),
        ]  # fmt: skip
        outputs = [Output("int32"), Output(), Output("int32")]
        kernels = check_node("PaddedNonMaxSuppression", operands, outputs, target=target)
        assert any(name.startswith(KERNEL) for name in kernels)


@pytest.mark.parametrize("threads", [1, 2])
def test_a_suppression_is_planned_as_its_kernel(threads: int) -> None:
    shapes = {"b": (1, 400, 4), "s": (1, 80, 400)}
    graph = node_graph(Node("NonMaxSuppression", ["b", "s", "m", "i", "l"], ["y"], {}, "kept"), inputs=shapes)
    for name, value in {"m": np.array([9]), "i": np.array([0.4], np.float32), "l": np.array([0.6], np.float32)}.items():
        graph.add_constant(name, value)
    graph.values["y"].dtype = np.dtype(np.int64)
    with load(Model(graph), threads=threads) as session:
        for seed in range(4):
            feeds = {"b": boxes((1, 400), seed), "s": scores((1, 80, 400), seed)}
            wanted = non_max_suppression(feeds["b"], feeds["s"], *(graph.constant(name) for name in "mil"))
            np.testing.assert_array_equal(session.run(feeds)["y"], wanted)
        empty = session.run({"b": feeds["b"], "s": np.zeros_like(feeds["s"])})["y"]
        assert empty.shape == (0, 3)


DETECTION = {
    "max_detections": 5, "max_classes_per_detection": 1, "num_classes": 3, "score_threshold": 0.1, "iou_threshold": 0.5,
    "scales": [10.0, 10.0, 5.0, 5.0],
}  # fmt: skip


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("regular", [0, 1])
@pytest.mark.parametrize("least", [0.0, -0.0, 0.25, -1.0])
def test_scores_at_the_threshold_of_a_detection_count(least: float, regular: int, target: str) -> None:
    attrs = DETECTION | {"score_threshold": least, "regular": regular, "detections_per_class": 5}
    places, anchors = np.zeros((1, 6, 4), np.float32), np.ones((6, 4), np.float32)
    anchors[:, :2] = 3 * np.arange(6)[:, None]
    given = np.array([0, 0.25, -0.5, 0, 0.75, -1], np.float32)
    graph = node_graph(
        Node("DetectionPostProcess", ["b", "s", "a"], ["y", "classes", "scores", "count"], attrs),
        inputs={"b": (1, 6, 4), "s": (1, 6, 3)}, outputs=("count",),
    )  # fmt: skip
    graph.add_constant("a", anchors)
    feeds = {"b": places, "s": np.stack([given, given - 9, given - 9], -1)[None]}
    with load(Model(graph), target=target) as session:
        assert session.run(feeds)["count"] == min(5, int((given >= least).sum()))


WRONG: dict[str, tuple[str, list[str], dict[str, Any]]] = {
    "no attributes": ("DetectionPostProcess", ["b", "s", "a"], {}),
    "three scales": ("DetectionPostProcess", ["b", "s", "a"], DETECTION | {"scales": [1.0, 1.0, 1.0]}),
    "a scale of 0": ("DetectionPostProcess", ["b", "s", "a"], DETECTION | {"scales": [1.0, 0.0, 1.0, 1.0]}),
    "text for a number": ("DetectionPostProcess", ["b", "s", "a"], DETECTION | {"num_classes": "3"}),
    "no classes": ("DetectionPostProcess", ["b", "s", "a"], DETECTION | {"num_classes": 0}),
    "two inputs": ("DetectionPostProcess", ["b", "s"], DETECTION),
    "other anchors": ("DetectionPostProcess", ["b", "s", "s"], DETECTION),
    "one input": ("NonMaxSuppression", ["b"], {}),
    "scores of other boxes": ("NonMaxSuppression", ["b", "a"], {}),
    "an unknown attribute": ("NonMaxSuppression", ["b", "s"], {"top": 3}),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_none_is_refused_before_its_parts_are_made(case: str) -> None:
    op, inputs, attrs = WRONG[case]
    shapes = {"b": (1, 6, 4), "s": (1, 6, 4), "a": (6, 4)}
    graph = node_graph(Node(op, inputs, ["y"], attrs, "wrong"), inputs={name: shapes[name] for name in set(inputs)})
    with pytest.raises(ModelError, match="'wrong'"):
        load(Model(graph))
