"""A product of one-hot vectors looks rows up, bias and activation being in the table, as ONNX Runtime multiplies."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

import millijoule as mj

INDICES = np.array([[0, 4, 3, -1, 5, 2**31 - 1, -(2**31), 1]], np.int32)


def saved(path: Path, classes: np.ndarray, weights: np.ndarray) -> str:
    nodes = [
        helper.make_node("Equal", ["x", "classes"], ["equal"]),
        helper.make_node("Cast", ["equal"], ["one_hot"], to=TensorProto.FLOAT),
        helper.make_node("MatMul", ["one_hot", "w"], ["product"]),
        helper.make_node("Add", ["product", "b"], ["sum"]),
        helper.make_node("Relu", ["sum"], ["y"]),
    ]
    bias = np.linspace(-1, 1, weights.shape[1]).astype(np.float32)
    constants = {"classes": classes, "w": weights, "b": bias}
    graph = helper.make_graph(
        nodes, "one_hot", [helper.make_tensor_value_info("x", TensorProto.INT32, (1, 8, 1))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, (1, 8, weights.shape[1]))],
        [numpy_helper.from_array(data, name) for name, data in constants.items()],
    )  # fmt: skip
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)
    return str(path)


def run(path: str) -> np.ndarray:
    (found,) = onnxruntime.InferenceSession(path).run(None, {"x": INDICES[..., None]})
    return np.asarray(found)


WEIGHTS = np.random.default_rng(0).normal(size=(5, 7)).astype(np.float32)


def test_rows_are_looked_up(tmp_path: Path) -> None:
    path = saved(tmp_path / "one_hot.onnx", np.arange(5, dtype=np.int32).reshape(1, 1, 5), WEIGHTS)
    model = mj.convert(path)
    assert [node.op for node in model.graph.nodes] == ["Squeeze", "EmbeddingLookup"]
    with mj.load(model) as session:
        found = session.run({"x": INDICES[..., None]})["y"]
    np.testing.assert_allclose(found, run(path), rtol=1e-6, atol=1e-6)
    mj.export(model, tmp_path / "exported.onnx")
    np.testing.assert_allclose(run(str(tmp_path / "exported.onnx")), found, rtol=0, atol=0)


@pytest.mark.parametrize("case", ["another order", "infinite weights"])
def test_other_products_stay(case: str, tmp_path: Path) -> None:
    classes, weights = np.arange(5, dtype=np.int32), WEIGHTS.copy()
    if case == "another order":
        classes = classes[::-1].copy()
    else:
        weights[2, 3] = np.inf
    path = saved(tmp_path / "other.onnx", classes.reshape(1, 1, 5), weights)
    model = mj.convert(path)
    assert "EmbeddingLookup" not in {node.op for node in model.graph.nodes}
    with mj.load(model) as session:
        np.testing.assert_allclose(session.run({"x": INDICES[..., None]})["y"], run(path), rtol=1e-6, atol=1e-6)
