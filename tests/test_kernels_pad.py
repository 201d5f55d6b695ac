"""Pad by copies against its reference: every mode, and sizes up to where elements would repeat."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from kernel_cases import TARGETS, Output, check_model, check_node, const, feed, kernels_of, node_model

import millijoule as mj
from millijoule.runtime.graph import Quantization

MODES = ["constant", "reflect", "edge", "wrap"]
PADS = {
    "one side": [0, 2, 0, 0, 0, 0],
    "both sides": [0, 1, 2, 0, 3, 1],
    "all axes": [1, 3, 2, 1, 4, 2],
    "as many as there are": [1, 4, 2, 1, 4, 2],
    "none": [0, 0, 0, 0, 0, 0],
}
QUANT = Quantization(np.array([0.05], np.float32), np.array([-7], np.int32))


def numbers(shape: Sequence[int], dtype: str) -> np.ndarray:
    return np.random.default_rng(len(shape)).integers(-99, 99, shape).astype(dtype)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("dtype", ["float32", "int64", "int8", "float64"])
@pytest.mark.parametrize("pads", list(PADS.values()), ids=list(PADS))
@pytest.mark.parametrize("mode", MODES)
def test_three_axes(mode: str, pads: list[int], dtype: str, target: str) -> None:
    inputs = [feed(numbers((2, 5, 3), dtype)), const(np.array(pads))]
    check_node("Pad", inputs, [Output(dtype)], target=target, mode=mode, rtol=0, atol=0)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("mode", MODES)
def test_quantized(mode: str, target: str) -> None:
    inputs = [feed(numbers((1, 6, 7, 5), "int8"), QUANT), const(np.array([0, 2, 3, 0, 0, 1, 2, 0]))]
    check_node("Pad", inputs, [Output("int8", QUANT)], target=target, mode=mode)


@pytest.mark.parametrize("mode", ["reflect", "edge", "wrap"])
def test_some_axes(mode: str) -> None:
    inputs = [feed(numbers((3, 4, 40), "float32")), const(np.array([2, 30, 1, 7])), None, const(np.array([1, -1]))]
    check_node("Pad", inputs, [Output()], mode=mode, rtol=0, atol=0)


@pytest.mark.parametrize(("mode", "width"), [("reflect", 4), ("wrap", 5), ("edge", 100), ("reflect", 9), ("wrap", 12)])
def test_elements_that_repeat(mode: str, width: int) -> None:
    """What copies cannot do, NumPy does."""
    inputs = [feed(numbers((1, 5), "float32")), const(np.array([0, width, 0, width]))]
    model, feeds = node_model("Pad", inputs, mode=mode)
    check_model(model, feeds, numpy_steps=int(width in (9, 12)))


def test_a_speech_models_padding_runs_in_kernels() -> None:
    inputs = [feed(numbers((1, 576), "float32")), const(np.array([0, 0, 0, 64]))]
    model, feeds = node_model("Pad", inputs, mode="reflect")
    session = mj.load(model, threads=1)
    session.run(feeds)
    assert kernels_of(session) and all("copy" in name for name in kernels_of(session))
