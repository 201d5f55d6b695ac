"""mj.softmax: every algorithm against float64, on every target that runs here, over what rows may hold."""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Iterator

import numpy as np
import pytest
from exponential_accuracy import largest_error
from kernel_cases import TARGETS as KERNEL_TARGETS

import millijoule as mj
from millijoule.runtime.engine.native import DATA
from millijoule.runtime.errors import InputError
from millijoule.runtime.softmax import choice, runner
from millijoule.runtime.softmax.softmax import Algorithm
from millijoule.runtime.softmax.steps import Key
from millijoule.runtime.targets.target import missing, named

FULL = os.environ.get("MILLIJOULE_FULL") == "1"
IN_ORDER = [name for name in ["cortex-a53"] if FULL and KERNEL_TARGETS and not missing(named(name))]
TARGETS = [*KERNEL_TARGETS, *IN_ORDER]
"""With MILLIJOULE_FULL=1, on Arm also one whose cores execute in order, which computes more vectors at once."""
ALGORITHMS = choice.ALGORITHMS
RTOL = 1.5e-6
"""Of e^x and of the sum: an exponential of 2 ulp, 256 float32 sums per strip of a row, a reciprocal, and for three
passes half a unit of x - maximum, which is |x - maximum| / 2^24."""
SMALLEST = 2.0**-125
"""What is smaller may be 0."""
COUNTS = [1, 2, 3, 7, 8, 15, 16, 17, 33, 100, 1000, 2047, 2048, 2049, 4113, 40001]


@pytest.fixture(params=TARGETS or ["numpy"])
def target(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setenv("MILLIJOULE_TARGET", request.param)
    runner.forget()
    yield request.param
    runner.forget()


def exact(x: np.ndarray, axis: int = -1) -> np.ndarray:
    with np.errstate(invalid="ignore", over="ignore"):
        e = np.exp(x.astype(np.float64) - x.max(axis, keepdims=True).astype(np.float64))
        return e / e.sum(axis, keepdims=True)


def check(found: np.ndarray, x: np.ndarray, axis: int = -1, rtol: float = RTOL) -> None:
    wanted = exact(x, axis)
    assert found.dtype == np.float32 and found.shape == x.shape
    nothing = np.abs(wanted) < SMALLEST
    np.testing.assert_allclose(np.where(nothing, 0, found), np.where(nothing, 0, wanted), rtol=rtol)
    assert (np.abs(found[nothing]) < 2 * SMALLEST).all()


def rounding_of(x: np.ndarray) -> float:
    """What rounding x - maximum costs where that is about as much as the values differ."""
    finite = x[np.isfinite(x)]
    spread = min(float(finite.max()) - float(finite.min()), 100.0) if finite.size else 0.0
    return RTOL + spread * 2.0**-24


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("scale", [1.0, 30.0, 1000.0])
def test_against_float64(algorithm: Algorithm, scale: float, target: str) -> None:
    rng = np.random.default_rng(0)
    for n in COUNTS:
        x = rng.uniform(-scale, scale, (3, n)).astype(np.float32)
        for streaming in (False, True):
            y = np.full((3, n + 8), 7, np.float32)
            for i in range(3):
                runner.run(x[i], y[i, :n], Key(1, n, algorithm, False, streaming, 1))
            check(y[:, :n], x, rtol=rounding_of(x))
            assert (y[:, n:] == 7).all()
        check(mj.softmax(x, algorithm=algorithm), x, rtol=rounding_of(x))


SPECIAL = [
    [0, 1, -np.inf, 2],
    [np.nan, 1, 2, 3],
    [-np.nan, 1, 2, 3],
    [np.inf, 1, 2, 3],
    [np.inf, -np.inf, np.nan, 3],
    [-np.inf] * 4,
    [1e30, -1e30, 0, 1],
    [2e5, 1.5e5, 0, 0],
    [-2e5, -1.5e5, -3e5, -np.inf],
    [-3e38, -3e38, -3e38, -np.inf],
    [3e38, 3e38, -3e38, 0],
    [1, -9e6, -1.2e7, -1.7e7],
    [1, -1.4e5, -1.6e5, -2.6e5],
    [88.8, 89, -104, -87.4],
]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("row", SPECIAL, ids=str)
def test_infinities_and_huge_values(row: list[float], algorithm: Algorithm, target: str) -> None:
    """What PyTorch gives: torch.softmax computes e^(x - maximum) over its sum, as `exact` does."""
    for n in (4, 35, 5000):
        for fill in (row[-1], -5.0):
            x = np.full(n, fill, np.float32)
            x[:2], x[-2:] = row[:2], row[2:]
            check(mj.softmax(x, algorithm=algorithm), x)
            with np.errstate(invalid="ignore", over="ignore"):
                wide = x.astype(np.float64) - x.max().astype(np.float64)
                wanted = (wide - np.log(np.exp(wide).sum())).astype(np.float32)
            found = mj.softmax(x, algorithm=algorithm, log=True)
            np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=2e-6)


@pytest.mark.parametrize("algorithm", ["two-pass", "three-pass-reload"])
def test_references_that_rise_within_a_row(algorithm: Algorithm, target: str) -> None:
    """Later strips of a row exceed the reference of the first ones by more than a sum may."""
    x = np.repeat(np.array([-90, 0, 100, 30, 300, 2000, 1999], np.float32), 2048)
    check(mj.softmax(x, algorithm=algorithm), x)
    check(mj.softmax(x[::-1].copy(), algorithm=algorithm), x[::-1])
    masked = x.copy()
    masked[5 * 2048 + 7 :: 3] = -np.inf
    check(mj.softmax(masked, algorithm=algorithm), masked)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_threads(algorithm: Algorithm, target: str) -> None:
    rng = np.random.default_rng(0)
    for shape in ((1, 100_003), (3, 50_000), (7, 9_001), (40, 1_000)):
        x = rng.uniform(-100, 100, shape).astype(np.float32)
        check(mj.softmax(x, algorithm=algorithm, threads=2), x, rtol=rounding_of(x))
    x = rng.uniform(-10, 10, (1, 100_003)).astype(np.float32)
    for value in (np.nan, np.inf, 1e30, -np.inf):
        x[0, 77_777] = value
        check(mj.softmax(x, algorithm=algorithm, threads=2), x)


def test_sums_of_long_rows(target: str) -> None:
    """A naive float32 sum of so many equal terms is wrong in the third digit."""
    x = np.zeros(3_000_001, np.float32)
    for algorithm in ALGORITHMS:
        for threads in (1, 2):
            found = mj.softmax(x, algorithm=algorithm, threads=threads)  # type: ignore[arg-type]
            np.testing.assert_allclose(found, 1 / x.size, rtol=RTOL)


def test_axes_strides_and_out(target: str) -> None:
    x = np.random.default_rng(0).normal(size=(5, 6, 7)).astype(np.float32)
    for axis in (0, 1, 2, -1, -2, -3):
        check(mj.softmax(x, axis=axis), x, axis)
        check(mj.softmax(x[:, ::2, ::-1], axis=axis), x[:, ::2, ::-1], axis)
        out = np.zeros((5, 6, 14), np.float32)[:, :, ::2]
        assert mj.softmax(x, axis=axis, out=out) is out
        check(out, x, axis)
    same = x.copy()
    assert mj.softmax(same, out=same) is same
    check(same, x)
    frozen = x.copy()
    frozen.flags.writeable = False
    check(mj.softmax(frozen), x)


@pytest.mark.parametrize(("n", "threads"), [(10, 1), (5_000, 1), (200_000, 2)])
def test_outputs_that_overlap_the_input(n: int, threads: int, target: str) -> None:
    before = np.random.default_rng(0).normal(size=3 * n).astype(np.float32)
    # The first call prepares what the others use.
    for to in (2 * n, n // 2, n - 1, n, 1, 0):
        memory = before.copy()
        out = memory[to : to + n]
        assert mj.softmax(memory[:n], out=out, threads=threads) is out
        check(out, before[:n])
        np.testing.assert_array_equal(memory[to + n :], before[to + n :])
        np.testing.assert_array_equal(memory[:to], before[:to])
        memory = before.copy()
        mj.softmax(memory[to : to + n], out=memory[:n], threads=threads)
        check(memory[:n], before[to : to + n])


def test_outputs_that_cannot_be_written(target: str) -> None:
    x = np.ones(10, np.float32)
    mj.softmax(x, out=np.empty(10, np.float32))
    frozen = np.zeros(10, np.float32)
    frozen.flags.writeable = False
    for out in (frozen, np.zeros(10), np.zeros(11, np.float32), np.zeros((1, 10), np.float32)):
        with pytest.raises(mj.InputError, match="softmax: out"):
            mj.softmax(x, out=out)
    assert not frozen.any()


def test_nothing() -> None:
    assert mj.softmax(np.zeros((3, 0), np.float32)).shape == (3, 0)
    assert mj.softmax(np.zeros((0, 3), np.float32)).shape == (0, 3)


@pytest.mark.parametrize(
    ("x", "options", "says"),
    [
        (np.zeros(3), {}, "float64"),
        ([1.0, 2.0], {}, "list"),
        (np.zeros(3, np.float32), {"axis": 1}, "axis 1"),
        (np.zeros((), np.float32), {}, "axis -1"),
        (np.zeros(3, np.float32), {"algorithm": "one-pass"}, "one-pass"),
        (np.zeros(3, np.float32), {"threads": 0}, "threads"),
        (np.zeros(3, np.float32), {"out": np.zeros(4, np.float32)}, "out"),
        (np.zeros(3, np.float32), {"out": np.zeros(3)}, "out"),
    ],
)
def test_what_it_does_not_take(x: np.ndarray, options: dict[str, object], says: str) -> None:
    with pytest.raises(InputError, match=says):
        mj.softmax(x, **options)  # type: ignore[arg-type]


def test_several_python_threads(target: str) -> None:
    rng = np.random.default_rng(0)
    rows = [rng.normal(size=1000 + i).astype(np.float32) for i in range(4)]
    found: dict[int, np.ndarray] = {}

    def work(i: int) -> None:
        for _ in range(200):
            found[i] = mj.softmax(rows[i], threads=1 + i % 2)

    workers = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    for i, row in enumerate(rows):
        check(found[i], row)


def test_accuracy_of_the_exponential(target: str) -> None:
    """Every 1009th float32; exponential_accuracy.py takes all of them."""
    if target == "numpy":
        pytest.skip("no compiled kernels")
    worst, x = largest_error(target, 1009)
    assert worst < 2, x


def test_where_an_array_holds_the_address_of_its_data() -> None:
    for array in (np.zeros(3, np.float32), np.zeros((4, 5), np.float32)[1:, 2:], np.zeros(0, np.float32)):
        assert ctypes.c_uint64.from_address(id(array) + DATA).value == array.ctypes.data


def test_choice() -> None:
    small, large = 1000, 2 * choice.crossover()
    target = named("x86-64-v4-vnni")
    assert choice.choose(1, small, False, target) == ("two-pass-reload", False)
    assert choice.choose(1, large, False, target) == ("two-pass", True)
    assert choice.choose(large // small, small, False, target) == ("two-pass", True)
    assert choice.choose(1, 40_000, False, target, threads=2) == ("three-pass-reload", False)
    assert choice.choose(1, large // 8, False, target, threads=2) == ("two-pass", True)
    assert choice.choose(1, small, True, target) == ("two-pass", False)
    assert choice.choose(1, large, False, named("x86-64-v3")) == ("two-pass", True)
    assert choice.choose(1, large, False, named("x86-64-v2")) == ("two-pass-reload", False)
    assert choice.streams(1, large, "two-pass")
    assert not choice.streams(1, large, "three-pass-reload")
