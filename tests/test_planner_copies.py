"""Copies between layouts: the kernel that is chosen moves every element to its place and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from kernel_cases import TARGETS, Output, check_model, check_node, const, feed, node_model

from millijoule.runtime.graph import Node, Value
from millijoule.runtime.program.copies import move
from millijoule.runtime.program.view import Storage, View
from millijoule.runtime.targets.target import named

DTYPES = ["int8", "float16", "float32", "float64"]


def numbers(shape: tuple[int, ...], dtype: str) -> np.ndarray:
    return np.random.default_rng(0).integers(-100, 100, shape).astype(dtype)


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize(
    ("shape", "perm", "kernel"),
    [
        ((2, 3, 5, 67), [0, 2, 3, 1], "reorder.interleave"),  # NCHW to NHWC
        ((1, 4, 9, 64), [0, 2, 3, 1], "reorder.interleave"),
        ((2, 5, 70, 2), [0, 3, 1, 2], "reorder.separate"),  # and back
        ((1, 1, 65, 3), [0, 3, 1, 2], "reorder.separate"),
        ((2, 17, 7, 11), [0, 2, 3, 1], "reorder.transpose"),
        ((1, 6, 9, 35), [0, 3, 1, 2], "reorder.transpose"),
        ((5, 6), [1, 0], "reorder.transpose"),
        ((5, 5, 6), [2, 1, 0], "reorder.transpose"),
        ((2, 3, 4, 5, 6), [4, 1, 3, 0, 2], "reorder.transpose"),
        ((2, 3), [1, 0], None),
        ((3, 2, 2, 3), [3, 2, 0, 1], None),
        ((2, 1, 3, 2, 4, 2), [5, 4, 3, 2, 1, 0], None),
        ((7, 64), [0, 1], "copy.copy"),
    ],
)
def test_transposes(shape: tuple[int, ...], perm: list[int], kernel: str | None, dtype: str, target: str) -> None:
    names = check_node("Transpose", [feed(numbers(shape, dtype))], [Output(dtype)], target=target, perm=perm)
    assert kernel is None or [name.partition("(")[0] for name in names] == [kernel]


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("size", [130, 131, 193])
@pytest.mark.parametrize("step", [2, 3, 4, 5, -2])
@pytest.mark.parametrize("start", [0, 1])
def test_steps(size: int, step: int, start: int, dtype: str, target: str) -> None:
    ends = [np.iinfo(np.int64).max if step > 0 else np.iinfo(np.int64).min]
    begin = [start if step > 0 else size - 1 - start]
    slices = [const(np.array(v, np.int64)) for v in (begin, ends, [1], [step])]
    names = check_node("Slice", [feed(numbers((3, size), dtype)), *slices], [Output(dtype)], target=target)
    wanted = "reorder.separate" if step in (2, 3, 4) and size // step >= 64 else None
    if wanted is not None:
        assert [name.partition("(")[0] for name in names] == [wanted]


def test_an_element_gathered_several_times_is_there_several_times() -> None:
    """Also where it alone makes up a pixel, which could be a view of stride 0."""
    model, feeds = node_model(
        "Gather", [feed(np.full((1, 1, 1, 1), -0.5, np.float32)), const(np.zeros(3, int))], axis=2
    )
    model.graph.nodes.append(Node("Relu", ["y0"], ["z"]))
    model.graph.nodes.append(Node("Neg", ["y0"], ["n"]))
    for name in ("z", "n"):
        model.graph.add_value(Value(name, np.dtype(np.float32)))
    model.graph.outputs = ["z", "n"]
    check_model(model, feeds)


def strided(shape: tuple[int, ...], strides: tuple[int, ...]) -> View:
    return View(Storage(1 << 20), 0, shape, strides, np.dtype(np.float32))


def test_chunks_are_cut_from_the_outermost_level() -> None:
    target = named("x86-64-v4-vnni")
    source, padded = strided((6, 40, 24), (3840, 96, 4)), strided((6, 40, 24), (4000, 96, 4))
    found = move(source, padded, target)
    assert found is not None
    assert (found.kernel.__name__, found.chunks) == ("copy", 6)
    assert [found.arguments[f"n{i}"] for i in range(6)] == [6, 1, 1, 1, 1, 960]
    planes = move(strided((6, 40, 3), (160, 4, 960)), strided((6, 40, 3), (500, 12, 4)), target)
    assert planes is not None
    assert (planes.kernel.__name__, planes.chunks) == ("interleave", 6)


def test_one_level_stays_a_row() -> None:
    found = move(strided((5000,), (4,)), strided((5000,), (4,)), named("x86-64-v3"))
    assert found is not None
    assert (found.chunks, found.arguments["n5"], found.constants["rows"]) == (1, 5000, True)


def test_too_many_irregular_dimensions() -> None:
    shape = (2,) * 8
    strides = tuple(4 * 3**i for i in range(8))
    assert move(strided(shape, strides), strided(shape, strides[::-1]), named("x86-64-v3")) is None
