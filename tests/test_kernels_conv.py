"""Convolutions and matrix products as kernels against their NumPy references: integers bit for bit.

MILLIJOULE_FULL=1 tries many more shapes.
"""

from __future__ import annotations

import os
from typing import Any

import numpy as np
import pytest
from kernel_cases import TARGETS, check_model, kernels_of, program_of
from product_cases import ATOL, RTOL, Build, chain, conv, extremes, gemm, matmul, random_conv, residual

from millijoule.runtime.compiler import target as targets
from millijoule.runtime.engine import needed_kernels
from millijoule.runtime.planner.program import PythonStep
from millijoule.runtime.session import load
from millijoule.tools.plans import plan_program

FULL = os.environ.get("MILLIJOULE_FULL") == "1"
INTEGER_TARGETS = [*TARGETS[:-1], *([] if targets.missing(targets.named("x86-64-v4")) else ["x86-64-v4"]), TARGETS[-1]]
"""512-bit registers without VNNI multiply integers in a way of their own, floats as their successors."""
SAME: dict[str, Any] = {"auto_pad": "SAME_UPPER"}

INTEGERS: dict[str, Build] = {
    "one output": conv((1, 1, 1, 1), 1, (1, 1)),
    "one pixel": conv((1, 1, 1, 70), 33, (1, 1)),
    "two pixels": conv((1, 1, 2, 9), 5, (1, 1)),
    "odd pixels and channels": conv((1, 5, 5, 17), 70, (1, 1), activation="Relu6"),
    "33 pixels": conv((1, 3, 11, 8), 12, (1, 1)),
    "few channels side by side": conv((1, 6, 8, 3), 2, (3, 3), **SAME),
    "first layer": conv((1, 11, 13, 3), 16, (3, 3), strides=[2, 2], activation="Relu", **SAME),
    "tall kernel": conv((2, 15, 6, 1), 20, (10, 4), strides=[2, 2], **SAME),
    "dilated": conv((1, 9, 9, 8), 16, (3, 3), dilations=[2, 3], pads=[2, 3, 2, 3]),
    "strided pixels": conv((2, 7, 9, 16), 24, (1, 1), strides=[2, 3]),
    "one axis": conv((2, 19, 12), 24, (5,), strides=[2], pads=[2, 1]),
    "groups": conv((1, 6, 5, 32), 64, (3, 3), group=4, pads=[1] * 4),
    "small groups": conv((1, 6, 5, 12), 18, (3, 3), group=6, pads=[1] * 4),
    "batch of whole images": conv((3, 4, 4, 64), 100, (1, 1)),
    "no bias": conv((1, 5, 6, 10), 20, (2, 2), bias=False),
    "weights with a zero point": conv((1, 5, 6, 10), 20, (3, 3), w_zero=-90, pads=[1] * 4),
    "weights of 9 bits": conv((1, 5, 6, 10), 20, (3, 3), w_zero=127),
    "largest accumulator": extremes(-128, -128),
    "least accumulator": extremes(127, -128),
    "borders": chain(True, 2, 24),
    "fully connected": gemm(1, 70, 10),
    "fully connected, wide": gemm(5, 33, 130, transposed=False, activation="Relu"),
    "product of three axes": matmul((2, 7, 24), 40),
}

FLOATS: dict[str, Build] = {
    "one output": conv((1, 1, 1, 1), 1, (1, 1), False),
    "odd pixels and channels": conv((1, 5, 5, 17), 70, (1, 1), False, activation="Relu6"),
    "33 pixels": conv((1, 3, 11, 8), 9, (1, 1), False),
    "first layer": conv((1, 11, 13, 3), 16, (3, 3), False, strides=[2, 2], activation="HardSwish", **SAME),
    "tall kernel": conv((2, 15, 6, 1), 20, (10, 4), False, strides=[2, 2], **SAME),
    "dilated": conv((1, 9, 9, 8), 16, (3, 3), False, dilations=[2, 3], pads=[2, 3, 2, 3]),
    "one axis": conv((2, 19, 12), 24, (5,), False, strides=[2], pads=[2, 1]),
    "groups": conv((1, 6, 5, 32), 64, (3, 3), False, group=4, pads=[1] * 4),
    "residual": residual((2, 6, 7, 20), (3, 3), pads=[1] * 4, activation="Relu"),
    "residual of pixels": residual((2, 6, 7, 33), (1, 1), activation="LeakyRelu", activation_params=[0.1]),
    "borders": chain(False, 2, 24),
    "fully connected": gemm(1, 70, 10, False, activation="Sigmoid"),
    "scaled": gemm(5, 33, 40, False, alpha=0.5, beta=2.0),
    "product of three axes": matmul((2, 7, 24), 40, False, bias=False),
}


def check(build: Build, target: str, threads: int = 1) -> None:
    net = build()
    check_model(net.model, net.feeds, target=target, threads=threads, rtol=RTOL, atol=ATOL)


@pytest.mark.parametrize("target", INTEGER_TARGETS)
@pytest.mark.parametrize("name", INTEGERS)
def test_integers(name: str, target: str) -> None:
    check(INTEGERS[name], target)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("name", FLOATS)
def test_floats(name: str, target: str) -> None:
    check(FLOATS[name], target)


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


@pytest.mark.parametrize("quantized", [True, False], ids=["int8", "f32"])
def test_threads_give_the_same_bits_from_the_same_kernels(quantized: bool) -> None:
    net = conv((2, 24, 23, 32), 40, (1, 1), quantized)()
    found = []
    for threads in (1, 2, 3):
        with load(net.model, threads=threads) as session:
            found.append((session.run(net.feeds)["y0"], set(kernels_of(session))))
    for result, kernels in found[1:]:
        np.testing.assert_array_equal(result, found[0][0])
        assert kernels == found[0][1]


@pytest.mark.parametrize("name", list(targets.TARGETS))
def test_kernels_do_not_depend_on_threads(name: str) -> None:
    """A kernel file serves any number of threads."""
    for build in [*INTEGERS.values(), *FLOATS.values(), conv((1, 56, 56, 24), 96, (1, 1)), gemm(4096, 40, 17, False)]:
        net = build()
        shapes = {key: data.shape for key, data in net.feeds.items()}
        one, four = (
            needed_kernels(plan_program(net.model, shapes, targets.named(name), threads)[0]) for threads in (1, 4)
        )
        assert set(one) == set(four)


@pytest.mark.parametrize("target", TARGETS)
def test_nan_and_infinity_stay_where_they_belong(target: str) -> None:
    net = conv((1, 5, 9, 6), 19, (3, 3), False, pads=[1] * 4)()
    data = net.feeds["x0"]
    data[0, 0, 0, 0], data[0, 4, 8, 5], data[0, 2, 4, 1] = np.nan, np.inf, -np.inf
    check_model(net.model, net.feeds, target=target, rtol=RTOL, atol=ATOL)


def test_what_could_overflow_runs_in_numpy() -> None:
    """2^17 products of a difference of 255 and of -128 reach 2^31."""
    net = conv((1, 1, 1, 1 << 17), 1, (1, 1), w=np.full((1, 1, 1, 1 << 17), -128, np.int8))()
    with load(net.model) as session:
        session.run(net.feeds)
        assert any(isinstance(step, PythonStep) for step in program_of(session).steps)
