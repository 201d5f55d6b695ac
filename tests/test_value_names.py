"""Values between inputs and outputs, by the names that the source, compare and inspect have for them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx")

import onnx
from onnx import TensorProto, helper

from millijoule import InputError, Model, Session, convert, load
from millijoule.tools.measure.profile import describe_steps


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """x (1, 2, 4, 6) -> first (Conv), relu (Relu), pooled (MaxPool), back (Transpose, removed), y (Neg)."""
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["first"], "conv_node"),
        helper.make_node("Relu", ["first"], ["relu"], "relu_node"),
        helper.make_node("MaxPool", ["relu"], ["pooled"], "pool_node", kernel_shape=[2, 2], strides=[2, 2]),
        helper.make_node("Neg", ["pooled"], ["y"], "neg_node"),
    ]
    w = onnx.numpy_helper.from_array(np.random.default_rng(0).normal(size=(3, 2, 1, 1)).astype(np.float32), "w")
    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 2, 4, 6])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3, 2, 3])
    path = tmp_path / "model.onnx"
    onnx.save(helper.make_model(helper.make_graph(nodes, "g", [x], [y], [w])), path)
    return path


X = np.random.default_rng(1).normal(size=(1, 2, 4, 6)).astype(np.float32)


def expected(source: Path) -> dict[str, np.ndarray]:
    w = onnx.numpy_helper.to_array(onnx.load(source).graph.initializer[0])[:, :, 0, 0]
    relu = np.maximum(np.einsum("oc,nchw->nohw", w, X), 0)
    pooled = relu.reshape(1, 3, 2, 2, 3, 2).max((3, 5))
    return {"relu": relu, "pooled": pooled, "y": -pooled}


def session_of(model: Model | Path) -> Session:
    return load(model, threads=1, target="numpy")


def test_tensors_of_the_source_come_in_its_layout(source: Path) -> None:
    wanted = expected(source)
    with session_of(source) as session:
        found = session.run(X, outputs=list(wanted))
        assert list(found) == list(wanted)
        for name, array in wanted.items():
            np.testing.assert_allclose(found[name], array, rtol=1e-5, atol=1e-6)


def test_steps_give_what_they_write(source: Path) -> None:
    with session_of(source) as session:
        steps = describe_steps(session.engine.plan({"x": X.shape}, ()).program)
        nodes = list(dict.fromkeys(step["node"] for step in steps))
        found = session.run(X, outputs=nodes)
        assert list(found) == nodes and "conv_node" in nodes
        relu = expected(source)["relu"]
        np.testing.assert_allclose(found["conv_node"], np.moveaxis(relu, 1, -1), rtol=1e-5, atol=1e-6)


def test_what_was_fused_away_is_told(source: Path, tmp_path: Path) -> None:
    with session_of(source) as session:
        with pytest.raises(InputError, match="'first' is not computed by itself: it was fused into Conv 'conv_node'"):
            session.run(X, outputs=["first"])
        with pytest.raises(InputError, match=r"no output 'nothing'; it has 'y' and what its steps compute$"):
            session.run(X, outputs=["nothing"])
    convert(source).save(tmp_path / "model.mj")
    with session_of(tmp_path / "model.mj") as session:
        assert "relu" in session.run(X, outputs=["relu"])
        with pytest.raises(InputError, match=r"no output 'first'; .* mj\.load of that file tells"):
            session.run(X, outputs=["first"])
