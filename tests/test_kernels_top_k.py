"""TopK against its reference: any axis and number, either end, ties, NaN, infinities, both zeros, denormal numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel_cases import INTEGER_TARGETS, TARGETS, Output, const, feed, node_model, run_model

from millijoule.runtime.evaluate import reference

DTYPES = ["float32", "float64", "int32", "int64", "uint8", "int8"]
SHAPES = [((3, 21), 1), ((2, 5, 7), 1), ((40, 3), 0), ((5, 1), 1), ((2, 130), -1), ((1, 4, 4, 33), -2), ((7,), 0)]


def numbers(shape: tuple[int, ...], dtype: str, seed: int = 0) -> np.ndarray:
    """Few different ones among others, so that many are equal; the least and the largest of their dtype."""
    rng = np.random.default_rng(seed)
    if dtype.startswith("float"):
        few: np.ndarray = np.array([-2.5, -0.0, 0.0, 1.5, 1e-40, -1e-42, 1e30, np.inf, -np.inf, np.nan])
        more = rng.normal(size=shape)
    else:
        limits = np.iinfo(dtype)
        few = np.array([limits.min, limits.min + 1, 0, 7, limits.max])
        more = rng.integers(limits.min, limits.max, shape, dtype, endpoint=True)
    with np.errstate(over="ignore"):
        return np.where(rng.random(shape) < 0.5, rng.choice(few, shape), more).astype(dtype)


def check(x: np.ndarray, k: int, *, target: str = "host", threads: int = 1, **attrs: int) -> None:
    """Bit for bit: what is chosen are elements as they were."""
    operands = [feed(x), const(np.array([k]))]
    model, feeds = node_model("TopK", operands, [Output(x.dtype.name), Output("int64")], **attrs)
    got, kernels = run_model(model, feeds, target=target, threads=threads)
    assert any(name.startswith("top_k.") for name in kernels)
    want = reference.run(model.graph, feeds)
    np.testing.assert_array_equal(got["y1"], want["y1"])
    assert got["y0"].tobytes() == want["y0"].tobytes()


@pytest.mark.parametrize("target", INTEGER_TARGETS)
@pytest.mark.parametrize("largest", [0, 1])
@pytest.mark.parametrize("dtype", DTYPES)
def test_every_axis(dtype: str, largest: int, target: str) -> None:
    for shape, axis in SHAPES:
        for k in {1, 2, shape[axis] // 2, shape[axis]} - {0}:
            check(numbers(shape, dtype, k), min(k, shape[axis]), target=target, axis=axis, largest=largest)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("dtype", ["float32", "int64"])
@pytest.mark.parametrize("n", [15, 16, 17, 33, 64, 257, 1000])
def test_rows_of_any_length(n: int, dtype: str, target: str) -> None:
    for k in {1, 3, 16, n // 3, n - 1, n}:
        if k <= n:
            check(numbers((2, n), dtype, k), k, target=target)


@pytest.mark.parametrize("largest", [0, 1])
@pytest.mark.parametrize("dtype", DTYPES)
def test_elements_in_order(dtype: str, largest: int) -> None:
    """Those of which each one is better than all before, or none is."""
    order = np.sort(numbers((1, 400), dtype))
    for x in (order, np.flip(order), np.full((1, 400), order[0, 0]), np.full((1, 400), order[0, -1])):
        for k in (1, 20, 399):
            check(np.ascontiguousarray(x), k, largest=largest)


@pytest.mark.parametrize("dtype", ["float32", "int64"])
def test_many_rows_on_two_threads(dtype: str) -> None:
    check(numbers((300, 90), dtype), 11, threads=2)
    check(numbers((6, 90, 50), dtype), 11, threads=2, axis=1)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_numbers(data: st.DataObject) -> None:
    shape = data.draw(st.tuples(st.integers(1, 3), st.integers(1, 80), st.integers(1, 3)))
    axis = data.draw(st.integers(-3, 2))
    k = data.draw(st.integers(1, shape[axis]))
    dtype = data.draw(st.sampled_from(DTYPES))
    check(numbers(shape, dtype, data.draw(st.integers(0, 99))), k, axis=axis, largest=data.draw(st.integers(0, 1)))


def test_places_that_nobody_asks_for() -> None:
    model, feeds = node_model("TopK", [feed(numbers((3, 20), "float32")), const(np.array([4]))], [Output()])
    got, kernels = run_model(model, feeds)
    assert any(name.startswith("top_k.") for name in kernels)
    assert got["y0"].tobytes() == reference.run(model.graph, feeds)["y0"].tobytes()


def test_what_has_no_kernel() -> None:
    for dtype in ("uint16", "float16"):
        check_no_kernel(numbers((3, 20), dtype), 4)
    check_no_kernel(numbers((3, 20), "float32"), 0)


def check_no_kernel(x: np.ndarray, k: int) -> None:
    operands = [feed(x), const(np.array([k]))]
    model, feeds = node_model("TopK", operands, [Output(x.dtype.name), Output("int64")])
    got, kernels = run_model(model, feeds, numpy_steps=1)
    assert not kernels
    for name, array in reference.run(model.graph, feeds).items():
        np.testing.assert_array_equal(got[name], array)
