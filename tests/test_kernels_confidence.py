"""The gates' kernels against their references, and these against the scores' textbook formulas."""

from __future__ import annotations

import numpy as np
import pytest
from kernel_cases import TARGETS, Output, check_node, feed

from millijoule.runtime.errors import ModelError
from millijoule.runtime.graph import Node
from millijoule.runtime.kernels import confidence
from millijoule.runtime.ops.confidence_gate import FARTHEST, SCORES, confidence_gate
from millijoule.runtime.ops.inference import infer_node
from millijoule.runtime.ops.most_confident import most_confident
from millijoule.runtime.ops.registry import Tensor
from millijoule.runtime.ops.softmax import softmax

COUNTS = [2, 3, 8, 10, 17, 64, 65, 100, 1000]


def logits(count: int, seed: int = 0, spread: float = 3.0) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, spread, (1, count)).astype(np.float32)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("count", COUNTS)
def test_gate(count: int, score: str, target: str) -> None:
    for seed in range(4):
        z = logits(count, seed, 10.0**seed / 10)
        p = softmax(z)
        wanted = confidence_gate(z, p, score=score)[0]
        for threshold in (float(wanted) - 1e-4, float(wanted) + 1e-4, 0.0):
            check_node("ConfidenceGate", [feed(z), feed(p)], [Output()], target=target, rtol=1e-5, atol=2e-6,
                       score=score, threshold=threshold, stage=seed)  # fmt: skip


@pytest.mark.parametrize("score", SCORES)
def test_where_the_largest_are(score: str) -> None:
    """Every pair of places among a few vectors, so that no block or tail is missed."""
    for first in range(0, 70, 3):
        for second in range(70):
            z = np.zeros((1, 70), np.float32)
            z[0, second], z[0, first] = 4, 5
            p = softmax(z)
            found = confidence_gate(z, p, score=score)
            assert found[1] == first
            if first == second + 3:
                check_node("ConfidenceGate", [feed(z), feed(p)], [Output()], atol=2e-6, rtol=1e-5, score=score)


EDGES = {
    "equal": [1.0, 1.0, 1.0, 1.0],
    "two equal": [0.0, 5.0, 5.0, 1.0],
    "certain": [0.0, 300.0, 0.0, 0.0],
    "minus infinity": [-np.inf, 1.0, 2.0, -np.inf],
    "all but one minus infinity": [-np.inf, 1.0, -np.inf, -np.inf],
    "infinity": [0.0, np.inf, 1.0, 2.0],
    "nan": [0.0, np.nan, 1.0, 2.0],
    "all minus infinity": [-np.inf] * 4,
    "huge": [3e38, -3e38, 0.0, 1.0],
}


@pytest.mark.parametrize("score", SCORES)
@pytest.mark.parametrize("name", EDGES)
def test_edges(name: str, score: str) -> None:
    z = np.array([EDGES[name]], np.float32)
    with np.errstate(invalid="ignore", over="ignore"):
        p = softmax(z)
        found = confidence_gate(z, p, score=score, threshold=0.5)
        check_node("ConfidenceGate", [feed(z), feed(p)], [Output()], atol=2e-6, score=score, threshold=0.5)
    assert np.isfinite(found).all() and 0 <= found[0] <= 1
    if np.isnan(p).any():
        assert found[0] == 0 and found[2] == 0
    if name == "two equal":
        assert found[1] == 1 and (score != "margin" or found[0] == 0)
    if name in ("certain", "all but one minus infinity"):
        assert found[0] == pytest.approx(1)


def test_scores_are_the_textbooks() -> None:
    z = logits(10, 5)
    p = np.exp(z[0].astype(np.float64))
    p /= p.sum()
    ranked = np.sort(p)
    wanted = {"max": ranked[-1], "margin": ranked[-1] - ranked[-2], "entropy": 1 + (p * np.log(p)).sum() / np.log(10)}
    for score, value in wanted.items():
        assert confidence_gate(z, softmax(z), score=score)[0] == pytest.approx(value, abs=1e-6)


def record(score: float, label: int, sure: bool, stage: int) -> np.ndarray:
    return np.array([score, label, sure, stage, stage + 1], np.float32)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("post_check", [False, True])
def test_most_confident(post_check: bool, target: str) -> None:
    p, q = softmax(logits(13, 1)), softmax(logits(13, 2))
    for first in (0.2, 0.5, 0.9):
        for sure in (False, True):
            r, s = record(first, 3, sure, 0), record(0.5, 4, True, 1)
            check_node("MostConfident", [feed(p), feed(r), feed(q), feed(s)], [Output(), Output()], target=target,
                       stage=1, post_check=post_check)  # fmt: skip
            found, said = most_confident(p, r, q, s, stage=1, post_check=post_check)
            mine = sure or (post_check and first >= 0.5)
            assert said[3] == (0 if mine else 1) and said[4] == (1 if sure else 2)
            np.testing.assert_array_equal(found, p if mine else q)


def test_what_never_ran_is_not_read() -> None:
    p, r = softmax(logits(5)), record(0.9, 1, True, 0)
    never, rubbish = np.full((1, 5), np.nan, np.float32), np.full(5, np.nan, np.float32)
    check_node("MostConfident", [feed(p), feed(r), feed(never), feed(rubbish)], [Output(), Output()], stage=1,
               post_check=True)  # fmt: skip


def test_what_is_no_softmax_is_refused() -> None:
    def infer(shape: tuple[int, ...], other: tuple[int, ...], **attrs: str) -> None:
        dtype = np.dtype(np.float32)
        infer_node(
            Node("ConfidenceGate", ["z", "p"], ["y"], attrs), [Tensor("z", shape, dtype), Tensor("p", other, dtype)]
        )

    infer((1, 2), (1, 2))
    for shape, other, attrs in (((1, 1), (1, 1), {}), ((1, 3), (1, 4), {}), ((1, 3), (1, 3), {"score": "best"})):
        with pytest.raises(ModelError):
            infer(shape, other, **attrs)


def test_kernel_and_reference_neglect_the_same() -> None:
    assert confidence.FARTHEST == FARTHEST
