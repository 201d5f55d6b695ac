"""Numbers that an activated product is multiplied by, and that are added, are fused with it; nothing else is."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from rewriting import Sketch, apply, assert_same, only, ops

import millijoule as mj
from millijoule.converters.rewrites.fuse_activation import fuse_activation
from millijoule.converters.rewrites.fuse_affine import fuse_affine
from millijoule.runtime.graph import Graph
from millijoule.runtime.ops.activation import AFFINE

FUSED = [name for name in AFFINE.values() if name is not None]


def conv(sketch: Sketch, activation: str) -> str:
    return sketch.node(activation, sketch.node("Conv", sketch.input((1, 5, 6, 3)), sketch.weights(20, 2, 2, 3)))


def number(sketch: Sketch, value: float, rank: int = 0) -> str:
    return sketch.constant(np.full((1,) * rank, value, np.float32))


def block(activation: str, steps: str, scale: float = 0.7, offset: float = -1.3) -> Graph:
    """steps: letters of what follows the activation, in either order of operands."""
    sketch = Sketch()
    x = conv(sketch, activation)
    for step in steps:
        operands = [x, number(sketch, scale if step in "mM" else offset, rank=step in "MA")]
        x = sketch.node("Mul" if step in "mM" else "Add", *(operands if step.islower() else operands[::-1]))
    return sketch.output(x)


@pytest.mark.parametrize("steps", ["ma", "MA", "m", "a"])
@pytest.mark.parametrize("activation", FUSED)
def test_after_an_activation(activation: str, steps: str) -> None:
    graph = block(activation, steps)
    after = apply(graph, fuse_activation, fuse_affine)
    found = only(after, "Conv").attrs
    assert ops(after) == {"Conv": 1} and found["activation"] == f"{activation}Affine"
    assert found["activation_params"] == [
        float(np.float32(0.7)) if "m" in steps.lower() else 1.0,
        float(np.float32(-1.3)) if "a" in steps.lower() else -0.0,
    ]
    assert_same(graph, after, 0)


@pytest.mark.parametrize("target", ["host", "numpy"])
@pytest.mark.parametrize("activation", FUSED)
def test_as_a_session_computes_it(activation: str, target: str) -> None:
    """As if they were nodes of their own, bit for bit: each is rounded."""
    x = np.random.default_rng(3).standard_normal((1, 5, 6, 3)).astype(np.float32)
    graph, plain = block(activation, "ma"), block(activation, "")
    after = apply(graph, fuse_activation, fuse_affine)
    with mj.load(mj.Model(after), target=target) as one, mj.load(mj.Model(plain), target=target) as other:
        (got,), (y,) = one.run(x).values(), other.run(x).values()
    np.testing.assert_array_equal(got, y * np.float32(0.7) + np.float32(-1.3))


def test_the_scale_of_attention() -> None:
    sketch = Sketch()
    scores = sketch.node("MatMul", sketch.input((2, 4, 3)), sketch.input((2, 3, 5)))
    graph = sketch.output(sketch.node("Mul", scores, number(sketch, 0.25)))
    after = apply(graph, fuse_affine)
    assert ops(after) == {"MatMul": 1} and only(after, "MatMul").attrs["activation"] == "Affine"
    assert_same(graph, after, 0)


@pytest.mark.parametrize("steps", ["am", "mm", "mam", "maa"])
def test_what_is_in_another_order_is_fused_as_far_as_it_goes(steps: str) -> None:
    graph = block("HardSwish", steps)
    after = apply(graph, fuse_activation, fuse_affine)
    assert ops(after)["Conv"] == 1 and sum(ops(after).values()) == 1 + len(steps) - (2 if "ma" in steps[:2] else 1)
    assert_same(graph, after, 0)


def test_what_stays() -> None:
    sketch = Sketch()
    first, shared = conv(sketch, "HardSwish"), conv(sketch, "HardSwish")
    plain = sketch.node("Conv", sketch.input((1, 5, 6, 3)), sketch.weights(20, 2, 2, 3))
    graph = sketch.output(
        sketch.node("Mul", first, number(sketch, 2.0, rank=5)),
        sketch.node("Mul", shared, number(sketch, 2.0)),
        sketch.node("Add", shared, number(sketch, 2.0)),
        sketch.node("Mul", plain, number(sketch, 2.0)),
        sketch.node("Mul", conv(sketch, "HardSwish"), number(sketch, np.inf)),
        sketch.node("Mul", conv(sketch, "HardSwish"), sketch.constant(np.ones(20, np.float32))),
    )
    after = apply(graph, fuse_activation, fuse_affine)
    assert ops(after) == {"Conv": 5, "Mul": 5, "Add": 1}


@pytest.mark.parametrize("activation", FUSED)
def test_it_is_exported_as_nodes_of_its_own(activation: str, tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    after = apply(block(activation, "ma"), fuse_activation, fuse_affine)
    mj.export(mj.Model(after), tmp_path / "out.onnx")
    assert only(mj.convert(tmp_path / "out.onnx").graph, "Conv").attrs["activation"] == f"{activation}Affine"


@pytest.mark.parametrize("params", [[], [1.0], [1.0, float("nan")], [1.0, 2.0, 3.0]])
def test_files_with_other_parameters_are_refused(params: list[float]) -> None:
    graph = apply(block("HardSwish", "ma"), fuse_activation, fuse_affine)
    only(graph, "Conv").attrs["activation_params"] = params
    with pytest.raises(mj.ModelError, match="HardSwishAffine"):
        mj.load(mj.Model(graph))
