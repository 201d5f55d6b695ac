"""Convolutions whose weights exceed 8 bits, and groups of few channels: exact int8 against the NumPy reference."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from kernel_cases import TARGETS, Output, check_node, const, feed, kernels_of, node_model

from millijoule.runtime.graph import Quantization
from millijoule.runtime.lowering.conv import join_groups
from millijoule.runtime.lowering.product_int8 import byte_parts
from millijoule.runtime.ops.registry import find
from millijoule.runtime.session import load

QUANT, OTHER = Quantization.per_tensor(0.02, -3), Quantization.per_tensor(0.05, 11)
WEIGHTS, SUMS = 0.002, Quantization.per_tensor(np.float32(0.02) * np.float32(0.002), 0)
RTOL, ATOL = 1e-5, 1e-5
"""Of sums of some hundred products of size 1 in another order."""


def integers(low: int, high: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(low, high, shape)


def conv(
    shape: tuple[int, ...], outputs: int, kernel: tuple[int, ...], group: int, zero_point: int, low: int = -128
) -> tuple[list[Any], list[Output]]:
    """Operands of a quantized Conv with weights low..127 around a zero point, and its output."""
    weights = Quantization.per_tensor(WEIGHTS, zero_point)
    operands = [
        feed(integers(-128, 128, *shape).astype(np.int8), QUANT),
        const(integers(low, 128, outputs, *kernel, shape[-1] // group).astype(np.int8), weights),
        const(integers(-900, 900, outputs).astype(np.int32), SUMS),
    ]
    return operands, [Output("int8", OTHER)]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("zero_point", [0, 9, 127, -128])
@pytest.mark.parametrize("channels", [1, 3, 16, 20, 72])
def test_depthwise(channels: int, zero_point: int, target: str) -> None:
    """Weights of -128, a little beyond 8 bits, and at both ends of what 8-bit integers reach."""
    cases: list[tuple[tuple[int, ...], dict[str, Any]]]
    cases = [((3, 3), {"pads": [1, 1, 1, 1]}), ((3, 3), {"strides": [2, 2]}), ((5, 3), {})]
    for kernel, attrs in cases:
        operands, outputs = conv((2, 7, 8, channels), channels, kernel, channels, zero_point)
        check_node("Conv", operands, outputs, target=target, group=channels, **attrs)


@pytest.mark.parametrize("target", TARGETS)
def test_depthwise_along_one_axis_with_dilation_and_a_multiplier(target: str) -> None:
    operands, outputs = conv((2, 17, 12), 12, (5,), 12, 40)
    check_node("Conv", operands, outputs, target=target, group=12, dilations=[2], pads=[4, 4])
    operands, outputs = conv((1, 7, 8, 6), 12, (3, 3), 6, 40)
    check_node("Conv", operands, outputs, target=target, group=6)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("zero_point", [0, 40, -128, 127])
def test_other_convolutions(zero_point: int, target: str) -> None:
    for kernel, group in (((1, 1), 1), ((3, 3), 1), ((3, 3), 2)):
        operands, outputs = conv((1, 6, 7, 12), 20, kernel, group, zero_point)
        check_node("Conv", operands, outputs, target=target, group=group)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("channels, outputs, group", [(16, 16, 8), (12, 24, 6), (64, 96, 32), (6, 3, 3), (40, 20, 4)])
def test_groups_of_few_channels(channels: int, outputs: int, group: int, target: str) -> None:
    attrs: dict[str, Any] = {"group": group, "pads": [1, 1, 1, 1]}
    operands, declared = conv((2, 6, 7, channels), outputs, (3, 3), group, 0, low=-127)
    check_node("Conv", operands, declared, target=target, **attrs)
    rng = np.random.default_rng(0)
    floats = [
        feed(rng.normal(size=(2, 6, 7, channels)).astype(np.float32)),
        const(rng.normal(size=(outputs, 3, 3, channels // group)).astype(np.float32)),
    ]
    check_node("Conv", floats, target=target, rtol=RTOL, atol=ATOL, **attrs)


def test_groups_are_joined_into_fewer_kernel_calls() -> None:
    operands, outputs = conv((1, 6, 7, 64), 64, (3, 3), 32, 0, low=-127)
    model, feeds = node_model("Conv", operands, outputs, group=32)
    with load(model) as session:
        session.run(feeds)
        assert sum(name.startswith("conv.") for name in kernels_of(session)) <= 16


@pytest.mark.parametrize(
    "outputs, inputs, group, lanes", [(8, 2, 4, 16), (12, 1, 6, 4), (64, 2, 32, 16), (6, 5, 2, 16)]
)
def test_joined_groups_compute_the_same(outputs: int, inputs: int, group: int, lanes: int) -> None:
    conv_op = find("Conv")
    assert conv_op is not None
    rng = np.random.default_rng(0)
    weights = rng.integers(-9, 9, (outputs, 3, 2, inputs)).astype(np.float32)
    data = rng.integers(-9, 9, (1, 5, 6, inputs * group)).astype(np.float32)
    joined, left = join_groups(weights, group, lanes)
    assert left < group
    want = conv_op.reference(data, weights, group=group)
    np.testing.assert_array_equal(conv_op.reference(data, joined, group=left), want)


@pytest.mark.parametrize("least", [-128, -127])
def test_parts_of_weights(least: int) -> None:
    weights = np.arange(-255, 256, dtype=np.int16)
    parts = byte_parts(weights, least)
    assert len(parts) == 3
    assert all(part.min() >= least and part.max() <= 127 for part in parts)
    np.testing.assert_array_equal(sum(parts), weights)
    assert len(byte_parts(weights[128:383])) == 1


def test_weights_that_could_overflow_run_in_numpy() -> None:
    operands = [
        feed(np.full((1, 5, 5, 2), 127, np.int8), QUANT),
        const(np.full((2, 3, 3, 1), 127, np.int8), Quantization.per_tensor(WEIGHTS, 0)),
        const(np.full(2, 2**31 - 1, np.int32), SUMS),
    ]
    model, feeds = node_model("Conv", operands, [Output("int8", OTHER)], group=2)
    with load(model) as session:
        assert session.run(feeds)["y0"].shape == (1, 3, 3, 2)
        assert not any("depthwise" in name for name in kernels_of(session))
