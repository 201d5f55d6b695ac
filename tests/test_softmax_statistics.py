"""mj.softmax_statistics against float64 and a stable sort, on every target that runs here."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from kernel_cases import TARGETS

import millijoule as mj
from millijoule.runtime.errors import InputError
from millijoule.runtime.softmax import runner

RTOL = 1e-6
ATOL = 3e-6
"""Of logarithms and entropies, which are differences of numbers near 10."""


@pytest.fixture(params=[*TARGETS, "numpy"])
def target(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("MILLIJOULE_TARGET", request.param)
    runner.forget()
    yield request.param
    runner.forget()


def check(x: np.ndarray, k: int, **options: int) -> None:
    """x: (rows, n) without NaN or +infinity, and not only -infinity."""
    found = mj.softmax_statistics(x, k=k, **options)
    wide = x.astype(np.float64)
    peak = wide.max(1, keepdims=True)
    total = np.exp(wide - peak).sum(1)
    logsumexp = np.log(total) + peak[:, 0]
    share = np.exp(wide - logsumexp[:, None])
    entropy = -np.where(share > 0, share * np.log(np.where(share > 0, share, 1)), 0).sum(1)
    order = np.argsort(-x, 1, kind="stable")[:, :k]
    np.testing.assert_allclose(found.logsumexp, logsumexp, rtol=RTOL, atol=ATOL)
    np.testing.assert_allclose(found.entropy, entropy, rtol=10 * RTOL, atol=ATOL)
    np.testing.assert_array_equal(found.indices, order)
    np.testing.assert_array_equal(found.values, np.take_along_axis(x, order, 1))
    largest = np.take_along_axis(share, order, 1)
    # A probability is e^(value - logsumexp), whose rounding grows with the two.
    tolerance = RTOL + np.abs(logsumexp).max() * 2.0**-23
    np.testing.assert_allclose(found.probabilities, largest, rtol=tolerance, atol=1e-37)
    if k > 1:
        np.testing.assert_allclose(found.margin, largest[:, 0] - largest[:, 1], atol=tolerance)


@pytest.mark.parametrize("scale", [0.1, 3.0, 1000.0])
@pytest.mark.parametrize("n", [1, 2, 5, 16, 17, 100, 1001, 2048, 5003, 40_000])
def test_against_float64(n: int, scale: float, target: str) -> None:
    rng = np.random.default_rng(n)
    for k in {0, 1, min(n, 2), min(n, 7)}:
        check((scale * rng.normal(size=(3, n))).astype(np.float32), k)


def test_order_of_equals_and_of_rising_rows(target: str) -> None:
    rng = np.random.default_rng(0)
    check(rng.integers(0, 3, (4, 3000)).astype(np.float32), 9)
    check(np.arange(6000, dtype=np.float32)[None] / 7, 5)
    check(-np.arange(6000, dtype=np.float32)[None] / 7, 5)
    check(np.full((2, 777), -3.5, np.float32), 4)


def test_masked_rows(target: str) -> None:
    x = np.random.default_rng(0).normal(size=(4, 3000)).astype(np.float32)
    x[0, ::2], x[1, 5:], x[2, :2999], x[3, 1::3] = -np.inf, -np.inf, -np.inf, -1e30
    check(x, 3)


def test_rows_that_are_redone(target: str) -> None:
    check(np.array([[2e5, 1.5e5, 2e5], [1e30, 0, 1]], np.float32), 2)
    twice = mj.softmax_statistics(np.array([-3e38, -3e38, -np.inf], np.float32))
    np.testing.assert_allclose(twice.entropy, np.log(2), rtol=RTOL)
    x = np.array([[np.nan, 1, 2], [np.inf, 1, 2], [-np.inf] * 3, [0, 1, 2]], np.float32)
    found = mj.softmax_statistics(x, k=2)
    np.testing.assert_array_equal(found.logsumexp[:3], np.array([np.nan, np.inf, -np.inf], np.float32))
    assert np.isnan(found.entropy[:3]).all() and found.entropy[3] > 0
    np.testing.assert_array_equal(found.indices, [[2, 1], [0, 2], [0, 1], [2, 1]])
    np.testing.assert_array_equal(found.values[0], [2, 1])


def test_axes_and_threads(target: str) -> None:
    x = np.random.default_rng(0).normal(size=(9, 70, 300)).astype(np.float32)
    for axis in range(3):
        moved = np.moveaxis(x, axis, -1)
        found = mj.softmax_statistics(x, axis=axis, k=1, threads=2)
        np.testing.assert_array_equal(found.indices[..., 0], moved.argmax(-1))
        assert found.logsumexp.shape == found.entropy.shape == moved.shape[:-1]
    check(x.reshape(-1, 300), 2, threads=2)


@pytest.mark.parametrize(
    ("x", "options", "says"),
    [
        (np.zeros(3), {}, "float64"),
        (np.zeros(3, np.float32), {"axis": 1}, "axis 1"),
        (np.zeros(3, np.float32), {"k": 4}, "4 largest of 3"),
        (np.zeros((3, 0), np.float32), {"k": 0}, "of 0 elements"),
        (np.zeros(3, np.float32), {"threads": 0}, "threads"),
    ],
)
def test_what_it_does_not_take(x: np.ndarray, options: dict[str, int], says: str) -> None:
    with pytest.raises(InputError, match=says):
        mj.softmax_statistics(x, **options)
