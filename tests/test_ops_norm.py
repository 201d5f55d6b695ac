"""Normalizations and depth/space rearrangements against onnxruntime."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from op_cases import run_onnxruntime, run_reference

from millijoule.runtime.errors import ModelError


def floats(*shape: int) -> np.ndarray:
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(np.float32)


def channels_first(x: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(np.moveaxis(x, -1, 1))


def statistics(channels: int) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [*rng.normal(size=(3, channels)).astype(np.float32), rng.uniform(0.1, 2, channels).astype(np.float32)]


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 5), (1, 3, 4, 5)])
def test_batch_normalization_is_onnxruntimes(shape: tuple[int, ...]) -> None:
    x, parameters = floats(*shape), statistics(3)
    (want,) = run_onnxruntime("BatchNormalization", x, *parameters, epsilon=1e-3)
    np.testing.assert_allclose(
        run_reference("BatchNormalization", x, *parameters, epsilon=1e-3)[0], want, rtol=1e-4, atol=1e-5
    )
    last = run_reference("BatchNormalization", np.moveaxis(x, 1, -1), *parameters, epsilon=1e-3, axis=-1)[0]
    np.testing.assert_allclose(np.moveaxis(last, -1, 1), want, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("shape", [(2, 9, 3), (1, 4, 5, 3)])
def test_instance_normalization_is_onnxruntimes(shape: tuple[int, ...]) -> None:
    x, scale, bias = floats(*shape) * 10 + 5, floats(3), floats(3) + 1
    (want,) = run_onnxruntime("InstanceNormalization", channels_first(x), scale, bias, epsilon=1e-3)
    (got,) = run_reference("InstanceNormalization", x, scale, bias, epsilon=1e-3)
    np.testing.assert_allclose(got, np.moveaxis(want, 1, -1), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("size", [1, 3, 5, 11])
def test_lrn_is_onnxruntimes(size: int) -> None:
    """Odd sizes only: for even ones onnxruntime refuses."""
    x = floats(2, 3, 4, 7)
    attrs: dict[str, Any] = {"size": size, "alpha": 0.3, "beta": 0.6, "bias": 1.5}
    (want,) = run_onnxruntime("LRN", channels_first(x), **attrs)
    np.testing.assert_allclose(run_reference("LRN", x, **attrs)[0], np.moveaxis(want, 1, -1), rtol=1e-5)


@pytest.mark.parametrize(("p", "axis"), [(1, -1), (2, -1), (2, 1), (1, 0)])
def test_lp_normalization_is_onnxruntimes(p: int, axis: int) -> None:
    x = floats(3, 4, 5)
    x[:, 0] = 0
    x[1] = 0
    (want,) = run_onnxruntime("LpNormalization", x, p=p, axis=axis)
    np.testing.assert_allclose(run_reference("LpNormalization", x, p=p, axis=axis)[0], want, rtol=1e-5)


@pytest.mark.parametrize("block", [1, 2, 3])
@pytest.mark.parametrize("mode", ["DCR", "CRD"])
def test_depth_to_space_is_onnxruntimes(mode: str, block: int) -> None:
    x = floats(2, 3, 4, 36)
    (want,) = run_onnxruntime("DepthToSpace", channels_first(x), blocksize=block, mode=mode)
    (got,) = run_reference("DepthToSpace", x, blocksize=block, mode=mode)
    np.testing.assert_array_equal(got, np.moveaxis(want, 1, -1))
    np.testing.assert_array_equal(run_reference("SpaceToDepth", got, blocksize=block, mode=mode)[0], x)


@pytest.mark.parametrize("block", [1, 2, 3])
def test_space_to_depth_is_onnxruntimes(block: int) -> None:
    x = floats(2, 6, 12, 5)
    (want,) = run_onnxruntime("SpaceToDepth", channels_first(x), blocksize=block)
    np.testing.assert_array_equal(run_reference("SpaceToDepth", x, blocksize=block)[0], np.moveaxis(want, 1, -1))


@pytest.mark.parametrize(
    ("op", "inputs", "attrs", "words"),
    [
        ("BatchNormalization", (floats(2, 4), *statistics(3)), {}, "does not fit 4 channels"),
        ("BatchNormalization", (floats(2, 3), *statistics(3)), {"axis": 2}, "axis 2"),
        ("InstanceNormalization", (floats(2, 3), floats(3), floats(3)), {}, "no spatial axis"),
        ("InstanceNormalization", (floats(2, 5, 3), floats(5), floats(3)), {}, "does not fit 3 channels"),
        ("LRN", (floats(2, 3),), {"size": 0}, "size 0"),
        ("LRN", (floats(2, 3),), {}, "attribute 'size' is missing"),
        ("LpNormalization", (floats(2, 3),), {"p": 3}, "p is 3"),
        ("DepthToSpace", (floats(1, 2, 2, 6),), {"blocksize": 2}, "not a multiple"),
        ("DepthToSpace", (floats(1, 2, 8),), {"blocksize": 2}, "not .N, H, W, C."),
        ("DepthToSpace", (floats(1, 2, 2, 8),), {"blocksize": 2, "mode": "RDC"}, "mode 'RDC'"),
        ("SpaceToDepth", (floats(1, 3, 2, 8),), {"blocksize": 2}, "not a multiple"),
        ("SpaceToDepth", (floats(1, 2, 2, 8),), {"blocksize": 0}, "at least 1"),
    ],
)
def test_bad_nodes_are_told(op: str, inputs: tuple, attrs: dict[str, Any], words: str) -> None:
    with pytest.raises(ModelError, match=f"tested.*{words}"):
        run_reference(op, *inputs, **attrs)
