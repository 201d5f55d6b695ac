"""mj.load: what it takes, what it makes ready, and what it refuses."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from session_models import agree, feeds_of, float_network, node_graph
from small_model import small_model

import millijoule
from millijoule import InputError, Model, ModelError, TargetError, convert, load
from millijoule.runtime.graph import Graph, Node, Quantization


def test_what_is_known_before_a_run_is_planned_and_compiled_at_loading(tmp_path: Path) -> None:
    model = float_network(size=6, channels=4)
    with load(model, threads=1) as session:
        made = session.engine._plans.copy()
        assert list(made) == [((), (("x", (1, 6, 6, 8)),))]
        session.run(feeds_of(model))
        assert session.engine._plans == made
    model = float_network(size=6, channels=4, batch="N")
    with load(model, threads=1) as session:
        assert not session.engine._plans
    model.metadata.default_sizes = {"N": 3}
    with load(model, threads=1) as session:
        assert list(session.engine._plans) == [((), (("x", (3, 6, 6, 8)),))]


def test_default_sizes_that_do_not_fit_wait_for_others() -> None:
    graph = node_graph(Node("Reshape", ["x", "rows"], ["y"]), inputs={"x": ("N",)})
    graph.add_constant("rows", np.array([2, -1]))
    model = Model(graph)
    model.metadata.default_sizes = {"N": 3}
    x = np.arange(4, dtype=np.float32)
    with load(model, threads=1) as session:
        with pytest.raises(ModelError, match="Reshape"):
            session.inputs["x"]
        np.testing.assert_array_equal(session.run(x)["y"], x.reshape(2, 2))
    graph.values["x"].shape = (3,)
    with pytest.raises(ModelError, match="Reshape"):
        load(Model(graph), threads=1)


def test_models_from_files(tmp_path: Path) -> None:
    model = small_model()
    path = tmp_path / "small.mj"
    model.save(path)
    feeds = feeds_of(model, N=2)
    for given in (path, str(path), Model.load(path)):
        with millijoule.load(given, threads=1) as session:
            agree(session.run(feeds), model, feeds)
            session.run(feeds_of(model, N=1))
            agree(session.run(feeds), model, feeds)  # the file's pages have been given back meanwhile
    with pytest.raises(ModelError, match=r"missing\.mj: cannot be read"):
        load(tmp_path / "missing.mj")


def test_sources_are_converted_on_the_way(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    from onnx import TensorProto, helper, save

    node = helper.make_node("Neg", ["x"], ["y"])
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [2]) for name in "xy")
    path = tmp_path / "negated.ONNX"
    save(helper.make_model(helper.make_graph([node], "g", [x], [y])), path)
    for given in (path, str(path)):
        with millijoule.load(given, threads=1) as session:
            np.testing.assert_array_equal(session.run(np.ones(2, np.float32))["y"], [-1, -1])
            assert session.model.metadata.source.name == "negated.ONNX"
    with pytest.raises(ModelError, match=r"missing\.tflite: no such file"):
        millijoule.load(tmp_path / "missing.tflite")
    with pytest.raises(ModelError, match=r"model\.pb: cannot be read"):
        millijoule.load(tmp_path / "model.pb")


def test_bad_arguments() -> None:
    model = small_model()
    with pytest.raises(InputError, match="threads=0: a whole number of at least 1"):
        load(model, threads=0)
    with pytest.raises(TargetError, match="there is no target 'pdp-11'; known are host, x86-64-v2"):
        load(model, target="pdp-11")
    with pytest.raises(TargetError, match="no device profile 'toaster'"):
        load(model, profile="toaster")


def test_operators_that_do_not_exist() -> None:
    graph = node_graph(Node("Frobnicate", ["x"], ["y"], {}, "odd"), inputs={"x": (1,)})
    with pytest.raises(ModelError, match="not supported:\n  Frobnicate 'odd'"):
        load(Model(graph))


@pytest.mark.parametrize("threads", [True, False, 0, -1, 1.5, "2"])
def test_threads_are_a_whole_number(threads: Any) -> None:
    with pytest.raises(InputError, match="whole number of at least 1"):
        load(small_model(), threads=threads)


def test_integers_that_a_scale_belongs_to_may_be_constant_outputs_of_nothing_left_to_run() -> None:
    graph = Graph()
    data = np.array([[3, -7]], np.int8)
    graph.outputs.append(graph.add_constant("y", data, Quantization.per_tensor(0.05, 5)))
    with load(Model(graph)) as session:
        assert session.run({})["y"].tolist() == data.tolist()


@pytest.mark.parametrize("given", [None, 3, b"model.mj", io.BytesIO(b"model"), ["model.mj"]])
def test_what_is_no_path_is_refused_in_one_line(given: Any) -> None:
    said = f"is the path of .*, not {type(given).__name__}$"
    for take in (load, convert, Model.load):
        with pytest.raises(InputError, match=said):
            take(given)


def test_a_file_of_another_kind_says_which_are_known(tmp_path: Path) -> None:
    (tmp_path / "model.pt").write_bytes(b"PK\x03\x04 and so on")
    with pytest.raises(ModelError, match=r"model\.pt: not a \.mj file, .*; what is converted is named \.onnx, "):
        load(tmp_path / "model.pt")
    with pytest.raises(ModelError, match=r"model\.pt: not a source that can be converted; known are \.onnx"):
        convert(tmp_path / "model.pt")
