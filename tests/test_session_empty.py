"""Tensors without elements: empty batches and sums over nothing, through operators that have kernels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from kernel_cases import Operand, const, feed, node_model

from millijoule.runtime.evaluate import reference
from millijoule.runtime.session import load


def floats(*shape: int) -> np.ndarray:
    return np.ones(shape, np.float32)


EMPTY_SUMS: dict[str, tuple[str, list[Operand], dict[str, Any]]] = {
    "MatMul": ("MatMul", [feed(floats(3, 0)), const(floats(0, 4))], {}),
    "MatMul with a bias": ("MatMul", [feed(floats(3, 0)), const(floats(0, 4)), const(floats(4))], {}),
    "batched MatMul": ("MatMul", [feed(floats(2, 3, 0)), feed(floats(2, 0, 4))], {}),
    "Gemm": ("Gemm", [feed(floats(3, 0)), const(floats(4, 0)), const(floats(4))], {"transB": 1, "alpha": 2.0}),
    "Conv": ("Conv", [feed(floats(1, 4, 4, 0)), const(floats(3, 2, 2, 0)), const(floats(3))], {}),
    "pointwise Conv": ("Conv", [feed(floats(1, 4, 4, 0)), const(floats(3, 1, 1, 0))], {"pads": [1, 1, 1, 1]}),
    "ConvTranspose": ("ConvTranspose", [feed(floats(1, 4, 4, 0)), const(floats(0, 2, 2, 3)), const(floats(3))], {}),
    "grouped ConvTranspose": ("ConvTranspose", [feed(floats(1, 4, 4, 0)), const(floats(0, 2, 2, 3))], {"group": 2}),
    "ReduceSum": ("ReduceSum", [feed(floats(3, 0)), const(np.array([1]))], {}),
    "ReduceMax": ("ReduceMax", [feed(floats(3, 0)), const(np.array([1]))], {}),
}


@pytest.mark.parametrize("case", EMPTY_SUMS)
@pytest.mark.parametrize("target", ["host", "numpy"])
def test_a_sum_over_nothing_is_its_start(case: str, target: str) -> None:
    op, operands, attrs = EMPTY_SUMS[case]
    model, feeds = node_model(op, operands, **attrs)
    with load(model, target=target) as session:
        found = session.run(feeds)["y0"]
    bias = operands[2].data if len(operands) > 2 else 0
    assert found.size
    np.testing.assert_array_equal(found, np.broadcast_to(-np.inf if op == "ReduceMax" else bias, found.shape))


SIZES = const(np.array([0, 8, 8, 2]))
POOL = {"kernel_shape": [2, 2]}
BATCHES: dict[str, tuple[str, list[Operand | None], dict[str, Any]]] = {
    "Conv": ("Conv", [const(floats(3, 3, 3, 2))], {"pads": [1, 1, 1, 1]}),
    "depthwise Conv": ("Conv", [const(floats(2, 3, 3, 1))], {"pads": [1, 1, 1, 1], "group": 2}),
    "ConvTranspose": ("ConvTranspose", [const(floats(2, 2, 2, 3))], {"strides": [2, 2]}),
    "MaxPool": ("MaxPool", [], POOL),
    "AveragePool": ("AveragePool", [], {**POOL, "count_include_pad": 1, "pads": [1, 1, 1, 1]}),
    "GlobalAveragePool": ("GlobalAveragePool", [], {}),
    "GlobalMaxPool": ("GlobalMaxPool", [], {}),
    "DepthToSpace": ("SpaceToDepth", [], {"blocksize": 2}),
    "InstanceNormalization": ("InstanceNormalization", [const(floats(2)), const(floats(2))], {}),
    "LRN": ("LRN", [], {"size": 3}),
    "LayerNormalization": ("LayerNormalization", [const(floats(2)), const(floats(2))], {}),
    "MatMul": ("MatMul", [const(floats(2, 5))], {}),
    "Softmax": ("Softmax", [], {}),
    "Transpose": ("Transpose", [], {"perm": [0, 3, 1, 2]}),
    "Pad": ("Pad", [const(np.array([0, 1, 1, 0, 0, 1, 1, 0]))], {}),
    **{f"Resize by {mode}": ("Resize", [None, None, SIZES], {"mode": mode}) for mode in ("nearest", "linear", "cubic")},
    "Resize, ratio kept": ("Resize", [None, None, SIZES], {"mode": "linear", "keep_aspect_ratio_policy": "not_larger"}),
    "Resize by scales": ("Resize", [None, const(np.array([1, 2, 1.5, 1], np.float32))], {"mode": "linear"}),
}


@pytest.mark.parametrize("case", BATCHES)
def test_an_empty_batch_gives_an_empty_batch(case: str) -> None:
    op, rest, attrs = BATCHES[case]
    model, feeds = node_model(op, [feed(floats(0, 4, 4, 2)), *rest], **attrs)
    full = [const(np.array([1, 8, 8, 2])) if operand is SIZES else operand for operand in rest]
    one, one_feeds = node_model(op, [feed(floats(1, 4, 4, 2)), *full], **attrs)
    with load(model) as session:
        found = session.run(feeds)["y0"]
    assert found.shape == (0, *reference.run(one.graph, one_feeds)["y0"].shape[1:])
