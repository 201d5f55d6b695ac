"""ConvTranspose by phases on the kernels of Conv, against the NumPy reference: float32, and int8 bit for bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from kernel_cases import TARGETS, Output, check_node, const, feed

from millijoule.runtime.graph import Quantization
from millijoule.runtime.lowering.phases import NONE, covers, joined, phases
from millijoule.runtime.ops.conv_transpose import spread

RTOL, ATOL = 1e-5, 2e-5
"""Of sums of some hundred products of size 1 in another order."""
QUANT, OTHER = Quantization.per_tensor(0.02, -3), Quantization.per_tensor(0.05, 11)

WINDOWS: list[dict[str, Any]] = [
    {"kernel": (2, 2), "strides": [2, 2]},
    {"kernel": (3, 3), "strides": [2, 2], "pads": [1, 1, 1, 1], "output_padding": [1, 1]},
    {"kernel": (3, 3), "strides": [2, 2], "auto_pad": "SAME_UPPER"},
    {"kernel": (4, 3), "strides": [2, 3], "auto_pad": "SAME_LOWER"},
    {"kernel": (3, 3), "pads": [1, 1, 1, 1]},
    {"kernel": (3, 2), "strides": [3, 2], "dilations": [2, 3], "pads": [1, 0, 2, 1]},
    {"kernel": (2, 2), "strides": [3, 3], "output_padding": [2, 0]},
    {"kernel": (3, 3), "strides": [2, 2], "output_shape": [12, 13]},
    {"kernel": (3,), "strides": [2], "pads": [1, 0]},
]


def floats(*shape: int) -> np.ndarray:
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def integers(low: int, high: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(0).integers(low, high, shape)


def check_int8(
    kernel: tuple[int, ...], channels: int, outputs: int, target: str, group: int = 1, zero_point: int = 0, **attrs: Any
) -> None:
    """Per-channel weights; with a zero point, per-tensor ones beyond 8 bits."""
    each = outputs // group
    scales = np.random.default_rng(1).uniform(0.001, 0.004, 1 if zero_point else each).astype(np.float32)
    axis = None if zero_point else len(kernel) + 1
    weights = Quantization(scales, np.full(len(scales), zero_point, np.int32), axis)
    sums = np.tile(QUANT.scale * scales, group if each > 1 and axis is not None else 1)
    bias = Quantization(sums, np.zeros(len(sums), np.int32), None if len(sums) == 1 else 0)
    operands = [
        feed(integers(-128, 128, 2, *(5, 6)[: len(kernel)], channels).astype(np.int8), QUANT),
        const(integers(-128, 128, channels, *kernel, each).astype(np.int8), weights),
        const(integers(-900, 900, outputs).astype(np.int32), bias),
    ]
    check_node("ConvTranspose", operands, [Output("int8", OTHER)], target=target, group=group, **attrs)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("window", WINDOWS, ids=str)
def test_windows(window: dict[str, Any], target: str) -> None:
    attrs = {name: value for name, value in window.items() if name != "kernel"}
    kernel = window["kernel"]
    shape = (2, *(5, 6)[: len(kernel)], 6)
    for outputs in (1, 20):
        operands = [feed(floats(*shape)), const(floats(6, *kernel, outputs)), const(floats(outputs))]
        check_node("ConvTranspose", operands, target=target, rtol=RTOL, atol=ATOL, **attrs)
        check_int8(kernel, 6, outputs, target, **attrs)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("channels, outputs, group", [(6, 6, 6), (8, 12, 4), (32, 40, 2)])
def test_groups(channels: int, outputs: int, group: int, target: str) -> None:
    attrs: dict[str, Any] = {"strides": [2, 2], "pads": [1, 1, 1, 1]}
    operands = [feed(floats(2, 5, 6, channels)), const(floats(channels, 3, 3, outputs // group))]
    check_node("ConvTranspose", operands, target=target, rtol=RTOL, atol=ATOL, group=group, **attrs)
    check_int8((3, 3), channels, outputs, target, group, **attrs)


@pytest.mark.parametrize("target", TARGETS)
def test_fused_activations(target: str) -> None:
    attrs: dict[str, Any] = {"strides": [3, 3], "activation": "Relu"}
    operands = [feed(floats(1, 5, 6, 4)), const(floats(4, 2, 2, 5)), const(floats(5))]
    check_node("ConvTranspose", operands, target=target, rtol=RTOL, atol=ATOL, **attrs)
    check_int8((2, 2), 4, 5, target, **attrs)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("zero_point", [-128, 5])
def test_weights_beyond_8_bits(zero_point: int, target: str) -> None:
    check_int8((3, 3), 7, 5, target, zero_point=zero_point, strides=[2, 2])


@pytest.mark.parametrize("target", TARGETS)
def test_infinities_reach_only_what_reads_them(target: str) -> None:
    data = floats(1, 5, 6, 4)
    data[0, 2, 3] = np.inf
    for kernel in ((2, 2), (3, 3)):
        operands = [feed(data), const(np.abs(floats(4, *kernel, 1)) + 1)]
        check_node("ConvTranspose", operands, target=target, rtol=RTOL, atol=ATOL, strides=[2, 2])


@pytest.mark.parametrize("kernel", [1, 2, 3, 5])
@pytest.mark.parametrize("stride, dilation", [(1, 1), (2, 1), (3, 2), (4, 6), (2, 3)])
def test_phases_cover_every_output_that_reads_anything_once(kernel: int, stride: int, dilation: int) -> None:
    """Which input meets which element of the kernel at each output, against the definition."""
    attrs: dict[str, Any] = dict.fromkeys(("pads", "output_padding", "output_shape"), ())
    attrs |= {"strides": [stride], "dilations": [dilation], "auto_pad": "NOTSET"}
    geometry = spread([7], [kernel], attrs)
    want = {(i * stride + k * dilation - geometry.begin[0], k): i for i in range(7) for k in range(kernel)}
    separate = phases(geometry, 0)
    for form in (separate, joined(separate, geometry.output[0])):
        found, outputs = {}, []
        for phase in form:
            for unit in range(phase.count):
                for member in range(phase.members):
                    output = phase.first + unit * phase.step + member
                    outputs.append(output)
                    for t, k in enumerate(phase.taps[member]):
                        place = phase.start + unit + t * phase.dilation
                        assert phase.reach[0] <= place <= phase.reach[1]
                        if k != NONE and 0 <= place < 7:
                            found[output, int(k)] = place
        assert found == want
        assert len(set(outputs)) == len(outputs) and {output for output, _ in want} <= set(outputs)
        assert covers(form, geometry.output[0]) == (sorted(outputs) == list(range(geometry.output[0])))
