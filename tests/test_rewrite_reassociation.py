"""Constants are merged only where no digits are lost: chains over 40 decades against float64, each with the bound that
the operations as written have."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from affine_chains import Case, draw_case
from rewriting import Sketch, apply_all, assert_same, ops

from millijoule.runtime.evaluate import reference
from millijoule.runtime.model import Model
from millijoule.runtime.session import load

SEEDS = 150
FACTOR = 8
"""Times the bound of the operations as written: reassociation.LIMIT for a constant, and there are up to four."""


def check(case: Case, same_overflow: bool) -> int:
    """Runs the rewritten graph; how many nodes it saves, casts apart. What overflows in float16 between two nodes need
    not do so in float32, in which those are computed then."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        after = apply_all(case.graph)
        (found,) = reference.run(after, case.feeds).values()
        (plain,) = reference.run(case.graph, case.feeds).values()
    value, error = case.bound.value.reshape(found.shape), case.bound.error.reshape(found.shape)
    known = np.isfinite(error)
    assert (np.abs(plain.astype(np.float64) - value)[known] <= error[known]).all(), "the bound itself"
    step = float(np.finfo(found.dtype).smallest_subnormal)
    off = np.abs(found.astype(np.float64) - value)[known] - FACTOR * error[known] - 32 * step
    assert (off <= 0).all(), f"{case.graph.nodes} became {after.nodes}"
    if same_overflow:
        finite, were = np.isfinite(found), np.isfinite(plain)
        assert (finite >= were if found.dtype == np.float16 else finite == were).all()
    return len(case.graph.nodes) - sum(node.op != "Cast" for node in after.nodes)


@pytest.mark.parametrize("dtype", ["float32", "float16"])
def test_chains_alone(dtype: str) -> None:
    saved = [check(draw_case(seed, "alone", "", np.dtype(dtype)), True) for seed in range(SEEDS)]
    assert sum(saved) > SEEDS / 10


@pytest.mark.parametrize("dtype", ["float32", "float16"])
@pytest.mark.parametrize("op", ["Conv", "Gemm", "MatMul"])
@pytest.mark.parametrize("where", ["before", "behind"])
def test_chains_around_products(where: str, op: str, dtype: str) -> None:
    saved = [check(draw_case(seed, where, op, np.dtype(dtype)), False) for seed in range(SEEDS)]
    assert sum(saved) > (SEEDS if dtype == "float32" else -1)


@pytest.mark.parametrize("dtype", ["uint8", "int8"])
@pytest.mark.parametrize("mean", [127.5, 128.0, 103.94])
def test_normalizing_an_8_bit_image_goes_into_the_convolution(dtype: str, mean: float) -> None:
    sketch = Sketch()
    x = sketch.node("Cast", sketch.input((1, 6, 6, 3), dtype), to="float32")
    x = sketch.node("Div", sketch.node("Sub", x, sketch.constant(np.float32(mean))), sketch.constant(np.float32(127.5)))
    graph = sketch.output(sketch.node("Conv", x, sketch.weights(4, 3, 3, 3)))
    after = apply_all(graph)
    assert ops(after) == {"Cast": 1, "Conv": 1}
    assert_same(graph, after)


INPUTS = {
    "float32 input": lambda sketch: sketch.input((2, 3)),
    "int32 input": lambda sketch: sketch.node("Cast", sketch.input((2, 3), "int32"), to="float32"),
    "16-bit input": lambda sketch: sketch.node("Cast", sketch.input((2, 3), "uint16"), to="float32"),
    "8-bit input in float16": lambda sketch: sketch.node("Cast", sketch.input((2, 3), "uint8"), to="float16"),
    "selected": lambda sketch: sketch.node("Relu", sketch.node("Transpose", sketch.input((3, 2)), perm=[1, 0])),
    "an exact multiple": lambda sketch: sketch.node("Mul", sketch.input((2, 3)), sketch.constant(np.float32(4))),
    "an exact product": lambda sketch: sketch.node(
        "MatMul", sketch.input((2, 3)), sketch.constant(np.eye(3, dtype=np.float32))
    ),
}


@pytest.mark.parametrize("kind", INPUTS)
def test_a_mean_is_subtracted_before_dividing_where_numbers_may_be_exact(kind: str) -> None:
    sketch = Sketch()
    x = INPUTS[kind](sketch)
    dtype = sketch.tensor(x).dtype.name
    for op, number in (("Sub", 8192), ("Div", 3)):
        x = sketch.node(op, x, sketch.constant(np.array(number), dtype))
    after = apply_all(sketch.output(x))
    assert ops(after)["Div"] == 1 and "Add" not in ops(after)


def test_powers_of_powers_of_constants_do_not_overflow_a_search_for_patterns() -> None:
    sketch = Sketch()
    x = sketch.node("Mul", sketch.input((2,)), sketch.constant(np.float32(1e38)))
    for _ in range(2):
        x = sketch.node("Pow", x, sketch.constant(np.float32(3)))
    graph = sketch.output(sketch.node("Mul", x, sketch.constant(np.float32(0.5))))
    assert_same(graph, apply_all(graph))


def test_a_weight_that_a_factor_makes_denormal_may_be_fed_what_is_large() -> None:
    sketch = Sketch()
    x = sketch.node("Mul", sketch.input((1, 2)), sketch.constant(np.array([1e30, 2.9e-38], np.float32)))
    graph = sketch.output(sketch.node("Gemm", x, sketch.constant(np.array([[0.3, 1e-5]], np.float32)), transB=1))
    feeds = {graph.inputs[0]: np.array([[1e-35, 7e37]], np.float32)}
    (found,) = reference.run(apply_all(graph), feeds).values()
    np.testing.assert_allclose(found, [[0.3e-5 + 2.03e-5]], rtol=1e-5)


@pytest.mark.parametrize(("alpha", "weight", "x"), [(1e-20, 1e-25, 1e30), (1e20, 1e25, 1e-30), (0.1, 3, 7), (0, 3, 7)])
def test_a_gemm_of_any_alpha_runs_as_its_reference_does(alpha: float, weight: float, x: float) -> None:
    sketch = Sketch()
    weights = sketch.constant(np.full((2, 1), weight, np.float32))
    graph = sketch.output(sketch.node("Gemm", sketch.input((3, 2)), weights, alpha=alpha))
    feeds = {graph.inputs[0]: np.full((3, 2), x, np.float32)}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with load(Model(graph)) as session:
            (found,) = session.run(feeds).values()
    np.testing.assert_allclose(found, 2 * alpha * weight * x, rtol=1e-6)


def test_zero_times_an_infinite_sum_is_no_number() -> None:
    sketch = Sketch()
    weights = sketch.constant(np.full((2, 1), 1e20, np.float32))
    graph = sketch.output(sketch.node("Gemm", sketch.input((1, 2)), weights, alpha=0.0))
    with load(Model(graph)) as session:
        (found,) = session.run({graph.inputs[0]: np.full((1, 2), 1e30, np.float32)}).values()
    assert np.isnan(found).all()
