"""Convolutions and matrix products as kernels against their NumPy references: integers bit for bit.

MILLIJOULE_FULL=1 tries many more shapes.
"""

from __future__ import annotations

import os

import numpy as np
import pytest
from kernel_cases import INTEGER_TARGETS, TARGETS, check_model, kernels_of, program_of
from product_cases import ATOL, CONV_FLOATS, CONV_INTEGERS, PADS, RTOL, Build, conv, ends, gemm, random_conv

from millijoule.runtime.engine.engine import needed_kernels
from millijoule.runtime.lowering import winograd_line
from millijoule.runtime.program.program import PythonStep
from millijoule.runtime.session import load
from millijoule.runtime.targets import target as targets
from millijoule.tools.models.plans import plan_program

FULL = os.environ.get("MILLIJOULE_FULL") == "1"


def check(build: Build, target: str, threads: int = 1) -> None:
    net = build()
    check_model(net.model, net.feeds, target=target, threads=threads, rtol=RTOL, atol=ATOL)


@pytest.mark.parametrize("target", INTEGER_TARGETS)
@pytest.mark.parametrize("name", CONV_INTEGERS)
def test_integers(name: str, target: str) -> None:
    check(CONV_INTEGERS[name], target)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", CONV_FLOATS)
def test_floats(name: str, target: str) -> None:
    check(CONV_FLOATS[name], target)


@pytest.mark.parametrize("target", INTEGER_TARGETS if FULL else TARGETS[-1:])
@pytest.mark.parametrize("index", range(150 if FULL else 5))
@pytest.mark.parametrize("quantized", [True, False], ids=["int8", "f32"])
def test_random_shapes(quantized: bool, index: int, target: str) -> None:
    check(random_conv(index, quantized), target)


@pytest.mark.parametrize("target", INTEGER_TARGETS if FULL else TARGETS[-1:])
@pytest.mark.parametrize("channels", range(1, 71) if FULL else [7, 50])
def test_counts_of_channels_and_pixels(channels: int, target: str) -> None:
    check(conv((1, 1, 1 + channels % 33, 71 - channels), channels, (1, 1)), target)
    check(conv((1, 2, 1 + channels % 33, channels), 71 - channels, (1, 1), False), target)


THREADED: dict[str, Build] = {
    "int8": conv((2, 48, 47, 32), 40, (1, 1)),
    "f32": conv((2, 48, 47, 32), 40, (1, 1), False),
    "int8 of small weights": conv((2, 24, 47, 64), 40, (1, 1), w_spread=25),
    "int8 in squares": conv((2, 23, 24, 64), 40, (3, 3), **PADS),
    "f32 in squares": conv((2, 23, 24, 64), 40, (3, 3), False, **PADS),
}


@pytest.mark.parametrize("name", THREADED)
def test_threads_give_the_same_bits_from_the_same_kernels(name: str) -> None:
    """Of programs that are large enough to be shared."""
    net = THREADED[name]()
    found = []
    for threads in (1, 2, 3):
        with load(net.model, threads=threads) as session:
            found.append((session.run(net.feeds)["y0"], set(kernels_of(session))))
            assert program_of(session).shared == (threads > 1)
    for result, kernels in found[1:]:
        np.testing.assert_array_equal(result, found[0][0])
        assert kernels == found[0][1]


@pytest.mark.parametrize("name", list(targets.TARGETS))
def test_kernels_do_not_depend_on_threads(name: str) -> None:
    """A kernel file serves any number of threads."""
    for build in [
        *CONV_INTEGERS.values(),
        *CONV_FLOATS.values(),
        conv((1, 56, 56, 24), 96, (1, 1)),
        gemm(4096, 40, 17, False),
    ]:
        net = build()
        shapes = {key: data.shape for key, data in net.feeds.items()}
        one, four = (
            needed_kernels(plan_program(net.model, shapes, targets.named(name), threads)[0], helpers=True)
            for threads in (1, 4)
        )
        assert set(one) == set(four)


@pytest.mark.parametrize("target", TARGETS)
def test_nan_and_infinity_stay_where_they_belong(target: str) -> None:
    net = conv((1, 5, 9, 6), 19, (3, 3), False, pads=[1] * 4)()
    data = net.feeds["x0"]
    data[0, 0, 0, 0], data[0, 4, 8, 5], data[0, 2, 4, 1] = np.nan, np.inf, -np.inf
    check_model(net.model, net.feeds, target=target, rtol=RTOL, atol=ATOL)


def test_whole_numbers_stay_exact() -> None:
    """Integers are computed as floats where every sum is one, which Winograd's halves would not be."""
    for whole in (False, True):
        net = conv((1, 8, 8, 64), 64, (3, 3), False, bias=False, **PADS)()
        weights = next(value for value in net.graph.values.values() if value.data is not None)
        assert weights.data is not None
        if whole:
            weights.data = np.rint(100 * weights.data)
            net.feeds["x0"] = np.rint(100 * net.feeds["x0"])
        with load(net.model) as session:
            found = session.run(net.feeds)["y0"]
            assert ("winograd_f32" in " ".join(map(str, kernels_of(session)))) != whole
        if whole:
            np.testing.assert_array_equal(found, np.rint(found))
            check_model(net.model, net.feeds, rtol=0, atol=0)


WITHOUT_VNNI = ("x86-64-v2", "x86-64-v3", "x86-64-v4")
PAIRED: dict[str, Build] = {
    "sixteen channels": conv((1, 9, 12, 16), 16, (3, 3), activation="Relu6", **PADS),
    "odd counts": conv((2, 17, 15, 41), 23, (3, 3), **PADS),
    "without padding": conv((1, 18, 19, 33), 5, (3, 3), bias=False),
    "one line": conv((1, 3, 7, 32), 40, (3, 3)),
    "one pair": conv((2, 6, 4, 34), 9, (3, 3)),
    "three pixels": conv((1, 6, 5, 32), 70, (3, 3)),
    "weights of 9 bits": conv((1, 12, 12, 32), 33, (3, 3), w_zero=-90, **PADS),
    "the ends of their ranges": ends((1, 12, 12, 32), 17, (3, 3), **PADS),
    "tall": conv((1, 61, 40, 32), 32, (3, 3), **PADS),
}


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("target", [name for name in INTEGER_TARGETS if name in WITHOUT_VNNI])
@pytest.mark.parametrize("name", PAIRED)
def test_pairs_of_pixels(name: str, target: str, threads: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Winograd's algorithm along lines, wherever it can be used and not only where it is faster."""
    monkeypatch.setattr(winograd_line, "GAIN", 0.01)
    monkeypatch.setattr(winograd_line, "NEAR", 1 << 20)
    net = PAIRED[name]()
    with load(net.model, target=target, threads=threads) as session:
        session.run(net.feeds)
        served = net.feeds["x0"].shape[-1] >= targets.named(target).vector_bytes // 2
        assert ("winograd_line" in " ".join(map(str, kernels_of(session)))) == served
    check(PAIRED[name], target, threads)


def test_what_could_overflow_runs_in_numpy() -> None:
    """2^17 products of a difference of 255 and of -128 reach 2^31."""
    net = conv((1, 1, 1, 1 << 17), 1, (1, 1), w=np.full((1, 1, 1, 1 << 17), -128, np.int8))()
    with load(net.model) as session:
        session.run(net.feeds)
        assert any(isinstance(step, PythonStep) for step in program_of(session).steps)
