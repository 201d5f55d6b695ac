"""What an operator gets from its flags, shown with the newest: Shrink, elementwise, and Hardmax, along an axis."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from kernel_cases import TARGETS, check_node, feed
from onnx_models import agree, graph_from, model_of, node
from op_cases import run_onnxruntime, run_reference
from rewriting import Sketch, apply_all, assert_same, ops

from millijoule.runtime.kernels.functions import FUNCTIONS
from millijoule.runtime.ops.registry import find, names

FIRST, LAST = [0, 3, 1, 2], [0, 2, 3, 1]
ATTRS: dict[str, Any] = {"lambd": 0.75, "bias": 0.25}
X = np.concatenate([np.linspace(-2, 2, 41), [0.75, -0.75, np.inf, -np.inf, np.nan]]).astype(np.float32)


def test_references_are_onnxruntimes() -> None:
    for attrs in ({}, ATTRS):
        np.testing.assert_array_equal(run_reference("Shrink", X, **attrs)[0], run_onnxruntime("Shrink", X, **attrs)[0])
    image = np.round(np.random.default_rng(1).normal(size=(2, 3, 4))).astype(np.float32)
    for axis in (0, 1, -1):
        found, wanted = run_reference("Hardmax", image, axis=axis), run_onnxruntime("Hardmax", image, axis=axis)
        np.testing.assert_array_equal(found[0], wanted[0])
    assert run_reference("Hardmax", np.zeros((0, 3), np.float32), axis=0)[0].shape == (0, 3)


@pytest.mark.parametrize("op", ["Shrink", "Hardmax"])
def test_onnx_models_need_no_line_for_what_bears_the_same_name(op: str) -> None:
    attrs = ATTRS if op == "Shrink" else {"axis": 1}
    graph = graph_from(model_of([node(op, "x", "y", **attrs)], {"x": (("n", 3), "float32")}, "y"))
    assert [(made.op, made.attrs) for made in graph.nodes] == [(op, attrs)]
    assert graph.values["y"].shape == ("n", 3)
    agree([node(op, "x", "y", **attrs)], {"x": ((2, 3), "float32")})


@pytest.mark.parametrize("op", ["Shrink", "Hardmax"])
@pytest.mark.parametrize("shape", [(2, 4, 5, 3), ("n", "h", "w", 3)])
def test_transposes_pass(op: str, shape: tuple[int | str, ...]) -> None:
    sketch = Sketch()
    x = sketch.node("Transpose", sketch.input(shape), perm=FIRST)
    x = sketch.node(op, x, **(ATTRS if op == "Shrink" else {"axis": 1}))
    graph = sketch.output(sketch.node("Transpose", x, perm=LAST))
    after = apply_all(graph)
    assert ops(after) == {op: 1}
    assert_same(graph, after)


def test_between_quantizing_nodes_it_is_a_table_of_integers() -> None:
    sketch = Sketch()
    x = sketch.dequantize(sketch.quantize(sketch.input((2, 40)), 0.02, 3), 0.02, 3)
    x = sketch.node("Shrink", x, **ATTRS)
    graph = sketch.output(sketch.dequantize(sketch.quantize(x, 0.01, -7), 0.01, -7))
    after = apply_all(graph)
    assert ops(after) == {"QuantizeLinear": 1, "Shrink": 1, "DequantizeLinear": 1}
    assert after.values[after.nodes[1].outputs[0]].dtype == np.int8
    assert_same(graph, after)


@pytest.mark.skipif(not TARGETS, reason="this system runs no compiled kernels")
@pytest.mark.parametrize("target", TARGETS)
def test_it_has_a_kernel(target: str) -> None:
    kernels = check_node("Shrink", [feed(X)], target=target, rtol=1e-6, **ATTRS)
    assert [kernel.partition("(")[0] for kernel in kernels] == ["elementwise.unary_f32"]


def test_what_says_that_it_has_a_function_for_kernels_has_one() -> None:
    """Else a model with it would fail where kernels run, by a KeyError."""
    working = [name for name in names() if (op := find(name)) is not None and op.work is not None]
    assert "Tanh" in working
    assert [name for name in working if name not in FUNCTIONS] == []
