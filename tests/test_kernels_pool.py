"""Pools as kernels: every form of window against the NumPy reference, on every instruction set at hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from kernel_cases import TARGETS, Output, check_node, feed, kernels_of, node_model, program_of

from millijoule.runtime.graph import Quantization
from millijoule.runtime.program.program import Call, PythonStep
from millijoule.runtime.session import load

RTOL, ATOL = 2e-6, 1e-6
"""Of float averages: another order of summation, and a reciprocal instead of a division."""
QUANT, OTHER = Quantization.per_tensor(0.02, -3), Quantization.per_tensor(0.031, 11)

WINDOWS: list[dict[str, Any]] = [
    {"kernel_shape": [2, 2], "strides": [2, 2]},
    {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]},
    {"kernel_shape": [3, 3], "strides": [2, 2], "auto_pad": "SAME_UPPER"},
    {"kernel_shape": [3, 2], "strides": [1, 3], "auto_pad": "SAME_LOWER"},
    {"kernel_shape": [3, 2], "strides": [2, 2], "pads": [0, 1, 2, 0], "ceil_mode": 1},
    {"kernel_shape": [2, 3], "dilations": [3, 2], "pads": [2, 1, 0, 3]},
    {"kernel_shape": [9, 11]},
    {"kernel_shape": [10, 13], "strides": [2, 3], "ceil_mode": 1},
    {"kernel_shape": [12, 2], "strides": [4, 2], "pads": [1, 0, 1, 0], "ceil_mode": 1},
]
"""Over 9 x 11 elements."""


def floats(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


def bytes_(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(-128, 128, shape).astype(np.int8)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("window", WINDOWS, ids=str)
def test_windows(window: dict[str, Any], target: str) -> None:
    shape = (2, 9, 11, 19)
    check_node("MaxPool", [feed(floats(*shape))], target=target, **window)
    check_node("MaxPool", [feed(bytes_(*shape), QUANT)], [Output("int8", QUANT)], target=target, **window)
    for include_pad in (0, 1):
        attrs = {**window, "count_include_pad": include_pad}
        check_node("AveragePool", [feed(floats(*shape))], target=target, rtol=RTOL, atol=ATOL, **attrs)
        for half_up in (0, 1):
            attrs["half_up"] = half_up
            check_node("AveragePool", [feed(bytes_(*shape), QUANT)], [Output("int8", QUANT)], target=target, **attrs)


@pytest.mark.parametrize("channels", [1, 3, 64, 200])
def test_channel_counts(channels: int) -> None:
    window: dict[str, Any] = {"kernel_shape": [3, 3], "strides": [2, 2], "pads": [1, 1, 1, 1]}
    shape = (1, 5, 6, channels)
    check_node("MaxPool", [feed(floats(*shape))], **window)
    check_node("AveragePool", [feed(bytes_(*shape), QUANT)], [Output("int8", QUANT)], **window)


@pytest.mark.parametrize("operator", ["MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool"])
def test_one_spatial_axis(operator: str) -> None:
    attrs: dict[str, Any] = {"kernel_shape": [3], "strides": [2], "pads": [2, 1]}
    if operator.startswith("Global"):
        attrs = {}
    check_node(operator, [feed(floats(2, 13, 19))], rtol=RTOL, atol=ATOL, **attrs)
    check_node(operator, [feed(bytes_(2, 13, 19), QUANT)], [Output("int8", QUANT)], **attrs)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("shape", [(2, 25, 5, 19), (1, 40, 41, 19)])
def test_whole_images(shape: tuple[int, ...], target: str) -> None:
    """Windows of a few elements, and of more than a 16-bit sum of bytes holds."""
    window: dict[str, Any] = {"kernel_shape": list(shape[1:3]), "strides": list(shape[1:3])}
    check_node("AveragePool", [feed(floats(*shape))], target=target, rtol=RTOL, atol=ATOL, **window)
    check_node("AveragePool", [feed(bytes_(*shape), QUANT)], [Output("int8", QUANT)], target=target, **window)
    for quant in (QUANT, OTHER):
        check_node("GlobalAveragePool", [feed(bytes_(*shape), QUANT)], [Output("int8", quant)], target=target)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("extreme", [-128, 127])
def test_sums_at_the_bounds(extreme: int, target: str) -> None:
    data = np.full((1, 16, 16, 19), extreme, np.int8)
    for shape in ([16, 16], [1, 3]):
        check_node("AveragePool", [feed(data, QUANT)], [Output("int8", QUANT)], target=target, kernel_shape=shape)


def test_averages_round_half_away_from_zero() -> None:
    data = np.array([[-3, -2], [-1, 0], [0, 1], [1, 2], [126, 127], [-128, -127]], np.int8).reshape(6, 2, 1)
    model, feeds = node_model("AveragePool", [feed(data, QUANT)], [Output("int8", QUANT)], kernel_shape=[2])
    with load(model) as session:
        assert session.run(feeds)["y0"].reshape(-1).tolist() == [-3, -1, 1, 2, 127, -128]


@pytest.mark.parametrize("target", TARGETS)
def test_a_changed_quantization(target: str) -> None:
    window: dict[str, Any] = {"kernel_shape": [3, 3], "pads": [1, 1, 1, 0]}
    shifted = Quantization.per_tensor(0.02, 20)
    for quant in (OTHER, shifted):
        for operator in ("MaxPool", "AveragePool"):
            operands, outputs = [feed(bytes_(1, 6, 7, 19), QUANT)], [Output("int8", quant)]
            check_node(operator, operands, outputs, target=target, activation="Relu6", **window)


@pytest.mark.parametrize("operator, activation", [("MaxPool", "Relu6"), ("AveragePool", "LeakyRelu")])
def test_fused_activations(operator: str, activation: str) -> None:
    params = [0.1] if activation == "LeakyRelu" else []
    attrs: dict[str, Any] = {"kernel_shape": [2, 2], "activation": activation, "activation_params": params}
    check_node(operator, [feed(4 * floats(1, 6, 7, 19))], rtol=RTOL, atol=4 * ATOL, **attrs)


@pytest.mark.parametrize("target", TARGETS)
def test_nan_wins_and_infinities_stay(target: str) -> None:
    data = floats(1, 8, 9, 19)
    data[0, 3, 3, 5:9], data[0, 5, 6], data[0, 7, 8] = np.nan, np.inf, -np.inf
    for operator in ("MaxPool", "AveragePool"):
        check_node(operator, [feed(data)], target=target, rtol=RTOL, atol=ATOL, kernel_shape=[3, 3], pads=[1] * 4)


@pytest.mark.parametrize("target", TARGETS)
def test_large_overlapping_windows_take_two_passes(target: str) -> None:
    window: dict[str, Any] = {"kernel_shape": [6, 3], "pads": [3, 2, 2, 2], "dilations": [1, 2]}
    kernels = check_node("MaxPool", [feed(floats(2, 13, 15, 19))], target=target, **window)
    assert len(kernels) == 2
    kernels = check_node(
        "MaxPool", [feed(bytes_(2, 13, 15, 19), QUANT)], [Output("int8", OTHER)], target=target, **window
    )
    assert sum(name.startswith("pool.") for name in kernels) == 2


TWO_PASSES: dict[str, Any] = {"kernel_shape": [3, 3], "strides": [1, 2], "pads": [2, 0, 2, 0]}


@pytest.mark.parametrize("window", [*WINDOWS, {"kernel_shape": [3, 3]}, TWO_PASSES], ids=str)
@pytest.mark.parametrize("dtype", ["int8", "uint8"])
def test_bytes_without_quantization(window: dict[str, Any], dtype: str) -> None:
    for shape in ((2, 9, 11, 19), (1, 30, 13, 4)):
        check_node("MaxPool", [feed(bytes_(*shape).view(dtype))], [Output(dtype)], **window)
    check_node("GlobalMaxPool", [feed(bytes_(2, 9, 11, 19).view(dtype))], [Output(dtype)])


def test_threads_give_the_same_bits() -> None:
    model, feeds = node_model("AveragePool", [feed(floats(1, 64, 64, 40))], kernel_shape=[3, 3], pads=[1] * 4)
    with load(model, threads=1) as one, load(model, threads=2) as two:
        np.testing.assert_array_equal(one.run(feeds)["y0"], two.run(feeds)["y0"])


def test_what_has_no_kernel_runs_in_numpy() -> None:
    model, feeds = node_model("MaxPool", [feed(floats(1, 3, 4, 5, 2))], kernel_shape=[2, 2, 2])
    with load(model) as session:
        session.run(feeds)
        assert [type(step) for step in program_of(session).steps] == [PythonStep]


def test_kernels_are_shared_between_shapes() -> None:
    names = set()
    for size in (5, 9):
        model, feeds = node_model("MaxPool", [feed(floats(1, size, size, 16))], kernel_shape=[3, 3], strides=[2, 2])
        with load(model) as session:
            session.run(feeds)
            names |= set(kernels_of(session))
            assert all(isinstance(step, Call) for step in program_of(session).steps)
    assert len(names) == 1
