"""float16 models compute in float32 between their public inputs and outputs, on kernels, as ONNX Runtime does."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

import onnx
import onnxruntime
from kernel_cases import program_of
from onnx import TensorProto, helper, numpy_helper

import millijoule as mj
from millijoule.runtime.program.program import PythonStep
from millijoule.runtime.session import load

HALF, SINGLE = TensorProto.FLOAT16, TensorProto.FLOAT


def network(half_outside: bool) -> onnx.ModelProto:
    """A convolution, a value that is read twice, an operator that is told a dtype, and a public value in the middle."""
    rng = np.random.default_rng(0)
    weights = [("w", rng.normal(size=(8, 3, 3, 3)) / 5), ("b", rng.normal(size=8)), ("g", rng.normal(size=(8, 5)) / 3)]
    nodes = [
        helper.make_node("Conv", ["x", "w", "b"], ["c"], pads=[1] * 4),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("GlobalAveragePool", ["r"], ["p"]),
        helper.make_node("Shape", ["r"], ["s"], start=0, end=1),
        helper.make_node("ConstantOfShape", ["s"], ["o"], value=helper.make_tensor("v", HALF, [1], [1.5])),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("Add", ["f", "o"], ["a"]),
        helper.make_node("MatMul", ["a", "g"], ["y"]),
    ]
    source, result = "x", "y"
    if not half_outside:
        nodes[0].input[0], nodes[-1].output[0] = "x16", "y16"
        nodes.insert(0, helper.make_node("Cast", ["x"], ["x16"], to=HALF))
        nodes.append(helper.make_node("Cast", ["y16"], ["y"], to=SINGLE))
    kind = HALF if half_outside else SINGLE
    graph = helper.make_graph(
        nodes, "half", [helper.make_tensor_value_info(source, kind, (1, 3, 9, 8))],
        [helper.make_tensor_value_info(result, kind, (1, 5)), helper.make_tensor_value_info("p", HALF, (1, 8, 1, 1))],
        [numpy_helper.from_array(data.astype(np.float16), name) for name, data in weights],
    )  # fmt: skip
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize("half_outside", [True, False])
def test_as_onnxruntime_computes_it(half_outside: bool, tmp_path: Path) -> None:
    source = str(tmp_path / "half.onnx")
    onnx.save(network(half_outside), source)
    model = mj.convert(source)
    constants = [value.data for value in model.graph.values.values() if value.data is not None]
    assert {data.dtype.name for data in constants if data.size > 99} == {"float16"}
    x = np.random.default_rng(1).normal(size=(1, 3, 9, 8)).astype(np.float16 if half_outside else np.float32)
    expected = onnxruntime.InferenceSession(source).run(None, {"x": x})
    with load(model) as session:
        found = session.run({"x": x})
        if session.target != "numpy":
            steps = [step for step in program_of(session).steps if isinstance(step, PythonStep)]
            assert not steps or session.target == "x86-64-v2"
    for name, array in zip(("y", "p"), map(np.asarray, expected), strict=True):
        assert found[name].dtype == array.dtype
        # A few of float16's smallest steps near 1: sums are added in another order before they are rounded.
        np.testing.assert_allclose(found[name].astype(float), array.astype(float), rtol=3e-3, atol=3e-3)


def test_a_cast_of_the_model_itself_rounds(tmp_path: Path) -> None:
    """Between two operators, float32 becomes float16 where the model says so."""
    nodes = [
        helper.make_node("Cast", ["x"], ["h"], to=HALF),
        helper.make_node("Neg", ["h"], ["n"]),
        helper.make_node("Cast", ["n"], ["y"], to=SINGLE),
    ]
    x, y = (helper.make_tensor_value_info(name, SINGLE, (5,)) for name in "xy")
    graph = helper.make_graph(nodes, "g", [x], [y])
    source = tmp_path / "casts.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), source)
    data = np.array([0.1, 1e-7, 65504, 7e4, np.nan], np.float32)
    with load(mj.convert(source)) as session, np.errstate(over="ignore"):
        np.testing.assert_array_equal(session.run({"x": data})["y"], -data.astype(np.float16).astype(np.float32))
