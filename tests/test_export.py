"""Models out again as ONNX: onnxruntime computes what millijoule does, whatever the layout and what is quantized."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

import onnx
import random_graphs
from cli import EXAMPLE, ZOO, mj, mj_json, one_line
from onnx_models import graph_from, graph_of, model_of, node
from onnxruntime_session import open_session
from quantized_models import IMAGE, convolutional, images, save, weights
from random_graph import Declined

import millijoule
from millijoule.converters.export.export import as_onnx
from millijoule.runtime.cascade.model import CascadeModel
from millijoule.runtime.file.metadata import Metadata, State
from millijoule.runtime.graph import Node, Value
from millijoule.runtime.model import Model

GRAPHS, SEEDS = (2000, 4) if os.environ.get("MILLIJOULE_FULL") else (40, 1)


@pytest.fixture(autouse=True)
def numpy_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is exported is the graph; kernels have tests of their own."""
    monkeypatch.setenv("MILLIJOULE_TARGET", "numpy")


def ours(model: Model, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    with millijoule.load(model) as session:
        return session.run(feeds)


def theirs(model: Model, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """By onnxruntime on real numbers, as its optimisations saturate on CPUs without VNNI."""
    session = open_session(as_onnx(model).SerializeToString(), optimize=False)
    assert [each.name for each in session.get_inputs()] == list(model.inputs)
    assert [each.name for each in session.get_outputs()] == list(model.outputs)
    return dict(zip(model.outputs, session.run(None, feeds), strict=True))


def dense(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    nodes = [
        *(node("Flatten", "x", "flat"), node("Gemm", "flat w1 b1", "g1", transB=1), node("Relu", "g1", "r1")),
        *(node("MatMul", "r1 w2", "m2"), node("Add", "m2 b2", "a2"), node("Tanh", "a2", "t2")),
        node("Gemm", "t2 w3", "scores", transB=1),
    ]
    constants = {"w1": weights(rng, 32, 192), "w2": weights(rng, 16, 32).T.copy(), "w3": weights(rng, 4, 16)}
    constants |= {"b1": weights(rng, 32), "b2": weights(rng, 16)}
    return save(tmp_path / "float.onnx", nodes, constants)


def pooled(tmp_path: Path) -> Path:
    """What changes axes by number: Concat, Pad, Slice, Split, a mean that keeps no axes, pools."""
    rng = np.random.default_rng(0)
    nodes = [
        *(node("Conv", "x w1", "c1", pads=[1, 1, 1, 1]), node("HardSwish", "c1", "h1")),
        *(node("MaxPool", "h1", "m1", kernel_shape=[2, 2], strides=[2, 2]), node("Conv", "m1 w2", "c2", group=8)),
        *(node("Concat", "m1 c2", "both", axis=1), node("Pad", "both pads", "p1")),
        *(node("Slice", "p1 starts ends axes", "s1"), node("Split", "s1 sizes", "left right", axis=1)),
        *(node("Add", "left right", "sum"), node("AveragePool", "sum", "a1", kernel_shape=[2, 2])),
        *(node("ReduceMean", "a1", "mean", keepdims=0, axes=[2, 3]), node("Gemm", "mean w3", "scores")),
    ]
    constants: dict[str, Any] = {"w1": weights(rng, 8, 3, 3, 3), "w2": weights(rng, 8, 1, 1, 1)}
    constants |= {"w3": weights(rng, 4, 8).T.copy(), "pads": np.array([0, 0, 1, 0, 0, 0, 0, 2])}
    constants |= {"starts": np.array([1, 0]), "ends": np.array([4, 5]), "axes": np.array([2, 3])}
    constants |= {"sizes": np.array([8, 8])}
    return save(tmp_path / "float.onnx", nodes, constants)


SOURCES: dict[str, Callable[[Path], Path]] = {
    "convolutions": lambda path: save(path / "float.onnx", *convolutional()),
    "depthwise channels 1:1000": lambda path: save(path / "float.onnx", *convolutional(spread=1000)),
    "fully connected": dense,
    "axes by number": pooled,
}


def test_rows_that_are_rounded_as_they_come(tmp_path: Path) -> None:
    model = millijoule.convert(dense(tmp_path), quantize="dynamic")
    for each in [*images(4, seed=9), np.zeros(IMAGE[1:], np.float32)]:
        wanted, found = (compute(model, {"x": each[None]})["scores"] for compute in (ours, theirs))
        np.testing.assert_allclose(wanted, found, atol=1e-5 * max(1, np.abs(wanted).max()))


@pytest.mark.parametrize("name", SOURCES)
@pytest.mark.parametrize("io", [None, "float32", "int8"], ids=["float", "int8", "int8 outside too"])
def test_onnxruntime_computes_the_same(name: str, io: str | None, tmp_path: Path) -> None:
    source, x = SOURCES[name](tmp_path), images(24)
    options: dict[str, Any] = {}
    if io is not None:
        options = {"quantize": "int8", "calibration": {"x": x}, "fast": True, "io": io}
    model = millijoule.convert(source, **options)
    for each in images(4, seed=9):
        feeds = {"x": each[None]}
        if io == "int8":
            with millijoule.load(model) as session:
                feeds = {"x": session.quantize("x", each[None])}
        wanted, found = ours(model, feeds)["scores"], theirs(model, feeds)["scores"]
        assert (wanted.shape, wanted.dtype) == (found.shape, found.dtype)
        if io == "int8":
            assert np.abs(wanted.astype(int) - found).max() <= 1
        else:
            np.testing.assert_allclose(wanted, found, atol=(1e-5 if io is None else 0.02) * np.abs(wanted).max())
    if io is not None:
        made = as_onnx(model)
        stored = {each.name: each for each in made.graph.initializer}
        named = {output: each for each in made.graph.node for output in each.output}
        weight = [named.get(each.input[1]) for each in made.graph.node if each.op_type in ("Conv", "Gemm", "MatMul")]
        assert weight[0] is not None and weight[0].op_type == "DequantizeLinear"  # the last may be small, and in float
        assert stored[weight[0].input[0]].data_type == onnx.TensorProto.INT8


def test_onnxruntime_s_optimisations_take_integers(tmp_path: Path) -> None:
    """How its users run it; what they saturate is not ours."""
    x = images(24)
    model = millijoule.convert(SOURCES["convolutions"](tmp_path), quantize="int8", calibration={"x": x}, fast=True)
    session = open_session(as_onnx(model).SerializeToString(), optimize=True)
    (found,) = session.run(None, {"x": x[:1]})
    np.testing.assert_allclose(found, ours(model, {"x": x[:1]})["scores"], atol=0.5 * np.abs(found).max())


def test_images_keep_their_channels_second(tmp_path: Path) -> None:
    """The graph's own order of axes leaves no trace where the source's was ONNX's."""
    model = millijoule.convert(SOURCES["axes by number"](tmp_path))
    assert "Transpose" not in Counter(each.op_type for each in as_onnx(model).graph.node)


def test_a_model_that_came_quantized() -> None:
    model = millijoule.convert(EXAMPLE / "fashion_mnist_int8.onnx")
    x = np.random.default_rng(0).random((1, 1, 28, 28), np.float32)
    name = next(iter(model.outputs))
    wanted, found = ours(model, {"image": x})[name], theirs(model, {"image": x})[name]
    np.testing.assert_allclose(wanted, found, atol=0.02 * np.abs(wanted).max())
    assert "Conv" in {each.op_type for each in as_onnx(model).graph.node}


INTEGERS = {
    "hello_world_int8.tflite": 0, "kws_int8.tflite": 1, "vww_int8.tflite": 1, "streaming_wakeword_int8.tflite": 1,
    "resnet8_int8.tflite": 1, "mobilenet_v2_224_int8.tflite": 16,
}  # fmt: skip
"""Steps of an output, at most, on four inputs of noise; docs/quantize.md says them."""


@pytest.mark.parametrize("name", INTEGERS)
def test_integer_models_of_the_zoo(name: str) -> None:
    if not (ZOO / name).exists():
        pytest.skip("takes the model zoo")
    model = millijoule.convert(ZOO / name)
    shapes = {key: [1 if isinstance(size, str) else size for size in info.shape or ()]
              for key, info in model.inputs.items()}  # fmt: skip
    for seed in range(SEEDS):
        rng = np.random.default_rng(seed)
        feeds = {key: rng.integers(-128, 128, shape).astype(model.inputs[key].dtype) for key, shape in shapes.items()}
        wanted, found = ours(model, feeds), theirs(model, feeds)
        assert max(int(np.abs(wanted[key].astype(int) - found[key]).max()) for key in wanted) <= INTEGERS[name]


FLOATS = ["kws_f32.tflite", "mtcnn_pnet.onnx", "silero_vad_16k_op15.onnx", "selfie_segmentation_f16w.tflite"]


@pytest.mark.parametrize("name", FLOATS)
def test_float_models_of_the_zoo(name: str) -> None:
    if not (ZOO / name).exists():
        pytest.skip("takes the model zoo")
    model = millijoule.convert(ZOO / name)
    rng = np.random.default_rng(0)
    sizes: dict[Any, Any] = {"batch": 1, "sequence": 512, "M1": 24, "M2": 24, "N": 1}
    feeds = {
        key: rng.standard_normal([sizes.get(size, size) for size in info.shape or ()]).astype(info.dtype)
        for key, info in model.inputs.items()
    }
    feeds |= {"sr": np.array(16000)} if "sr" in feeds else {}
    wanted, found = ours(model, feeds), theirs(model, feeds)
    for key, array in wanted.items():
        np.testing.assert_allclose(array, found[key], atol=1e-4 * np.abs(array).max())


@pytest.mark.parametrize("seed", range(GRAPHS))
def test_random_graphs(seed: int, tmp_path: Path) -> None:
    def run(drawn: random_graphs.Drawn, _: str | None) -> dict[str, np.ndarray]:
        (tmp_path / "model.onnx").write_bytes(drawn.model.SerializeToString())
        return theirs(millijoule.convert(tmp_path / "model.onnx"), drawn.feeds)

    try:
        assert random_graphs.difference(random_graphs.draw(seed), run=run) == ""
    except Declined as reason:
        pytest.skip(f"onnxruntime does not run it: {reason}")


def test_labels_travel(tmp_path: Path) -> None:
    names = ["a", "b", "c", "d"]
    model = millijoule.convert(SOURCES["convolutions"](tmp_path), labels=names)
    millijoule.export(model, tmp_path / "out.onnx")
    assert millijoule.convert(tmp_path / "out.onnx").metadata.labels == names


def test_a_branch(tmp_path: Path) -> None:
    """Weights and images of the graph around it are read in the order that the branch wants."""
    rng = np.random.default_rng(0)
    branches = [
        graph_of([node("Conv", "c1 w2", f"y{at}"), node("Mul", f"y{at} factor", f"z{at}")][: 2 - at], {}, out)
        for at, out in enumerate(("z0", "y1"))
    ]
    nodes = [
        *(node("Conv", "x w1", "c1"), node("ReduceMax", "x", "top", keepdims=0), node("Greater", "top one", "bright")),
        node("If", "bright", "scores", then_branch=branches[0], else_branch=branches[1]),
    ]
    constants = {"w1": weights(rng, 4, 3, 3, 3), "w2": weights(rng, 2, 4, 1, 1), "one": np.float32(1)}
    constants["factor"] = np.float32(3)
    source = tmp_path / "float.onnx"
    onnx.save(model_of(nodes, {"x": ((1, 3, 8, 8), "float32")}, "scores", constants), source)
    model = millijoule.convert(source)
    for factor in (0.1, 10):
        feeds = {"x": factor * images(1)}
        np.testing.assert_allclose(ours(model, feeds)["scores"], theirs(model, feeds)["scores"], rtol=1e-4, atol=1e-5)


def test_the_command(tmp_path: Path) -> None:
    source, output = SOURCES["convolutions"](tmp_path), tmp_path / "out.onnx"
    report = mj_json("export", source, "-o", output)
    assert report["output_bytes"] == output.stat().st_size and report["operators"]["Conv"] == 3
    done = mj("export", source, "-o", output, COLUMNS="80")
    lines = done.stdout.splitlines()
    assert done.exit_code == 0 and max(map(len, lines[:-1])) <= 80 and lines[-1].startswith(f"wrote {output}, ")


def test_what_cannot_be_written(tmp_path: Path) -> None:
    source = SOURCES["convolutions"](tmp_path)
    for arguments, problem in (
        ((source, "-o", tmp_path / "out.mj"), "name ends in .onnx"),
        ((source, "-o", source), "would replace what the command reads"),
        ((source, "-o", tmp_path / "nowhere" / "out.onnx"), "No such file or directory"),
    ):
        done = mj("export", *arguments)
        assert done.exit_code == 2 and one_line(done.stderr) and problem in done.stderr
    cascade = CascadeModel.of([millijoule.convert(source)] * 2, millijoule.Gate(threshold=0.5))
    with pytest.raises(millijoule.ModelError, match="export its stages"):
        millijoule.export(cascade, tmp_path / "out.onnx")
    model = millijoule.convert(source)
    graph = model_of([node("Add", "x before", "total"), node("Neg", "total", "y")],
                     {"x": ((1, 3), "float32"), "before": ((1, 3), "float32")}, "total y", {})  # fmt: skip
    stream = Model(graph_from(graph), Metadata(states={"before": State("total")}))
    with pytest.raises(millijoule.ModelError, match=r"keeps state from one run to the next, .* say: 'before'"):
        millijoule.export(stream, tmp_path / "out.onnx")
    model.graph.nodes.insert(1, Node("RoundToFormat", ["x"], ["rounded"], {"format": "float8e5m2"}, "narrow"))
    model.graph.add_value(Value("rounded", np.dtype(np.float32), (1, 3, 8, 8)))
    with pytest.raises(millijoule.ModelError, match="RoundToFormat 'narrow' cannot be written as ONNX: numbers of 8"):
        millijoule.export(model, tmp_path / "out.onnx")
    assert not (tmp_path / "out.onnx").exists()
