"""Normalizations as kernels against the NumPy reference."""

from __future__ import annotations

import numpy as np
import pytest
from kernel_cases import TARGETS, check_node, const, feed, node_model, program_of

from millijoule.runtime.program.program import PythonStep
from millijoule.runtime.session import load

RTOL, ATOL = 1e-5, 1e-5
"""Of means and variances of up to a thousand elements of size 1, summed up in another order."""


def floats(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("p", [1, 2])
@pytest.mark.parametrize("shape, axis", [((1, 128), -1), ((3, 5, 37), 2), ((3, 5, 37), 1), ((70,), 0), ((4, 1), 1)])
def test_lp_normalization(shape: tuple[int, ...], axis: int, p: int, target: str) -> None:
    data = floats(*shape)
    data[0] = 0 if data.ndim > 1 else data[0]
    check_node("LpNormalization", [feed(data)], target=target, rtol=RTOL, atol=ATOL, axis=axis, p=p)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("shape, axis", [((3, 5, 37), -1), ((2, 6, 16), 1), ((2, 384), 1), ((3, 1), 1)])
def test_layer_normalization(shape: tuple[int, ...], axis: int, target: str) -> None:
    data, scale, bias = 3 * floats(*shape) + 2, floats(*shape[axis:], seed=1), floats(*shape[axis:], seed=2)
    for operands in ([const(scale)], [const(scale), const(bias)], [feed(scale), feed(bias)]):
        check_node("LayerNormalization", [feed(data), *operands], target=target, rtol=RTOL, atol=2 * ATOL, axis=axis)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("shape", [(2, 7, 9, 3), (1, 30, 31, 20), (2, 50, 16), (1, 1, 1, 5)])
def test_instance_normalization(shape: tuple[int, ...], target: str) -> None:
    data, scale, bias = 3 * floats(*shape) + 2, floats(shape[-1], seed=1), floats(shape[-1], seed=2)
    operands = [feed(data), const(scale), const(bias)]
    check_node("InstanceNormalization", operands, target=target, rtol=RTOL, atol=2 * ATOL)


@pytest.mark.parametrize("target", TARGETS)
def test_nan_stays_in_its_row(target: str) -> None:
    data = floats(3, 37)
    data[1, 5] = np.nan
    check_node("LpNormalization", [feed(data)], target=target, rtol=RTOL, atol=ATOL)
    check_node("LayerNormalization", [feed(data), const(floats(37))], target=target, rtol=RTOL, atol=ATOL)


def test_what_has_no_kernel_runs_in_numpy() -> None:
    model, feeds = node_model("LayerNormalization", [feed(floats(2, 3, 8)), const(floats(8))], axis=1)
    with load(model) as session:
        session.run(feeds)
        assert [type(step) for step in program_of(session).steps] == [PythonStep]
