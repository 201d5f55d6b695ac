"""`mj compare` beside ONNX Runtime and LiteRT, and the distances that it shows."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from cli import EXAMPLE, ZOO, mj, mj_json, one_line

from millijoule.runtime.graph import Quantization
from millijoule.runtime.model import Model
from millijoule.tools.measure.distance import Distance, distance
from millijoule.tools.models.layers import match_layers
from millijoule.tools.peers.litert_hybrid import hybrid_operators

SOURCE = EXAMPLE / "fashion_mnist_f32.onnx"
EIGHT = Quantization.per_tensor(0.5, 3)


def zoo(name: str) -> Path:
    if not (ZOO / name).is_file():
        pytest.skip(f"{ZOO / name} is absent; MILLIJOULE_ZOO names the folder of real models")
    return ZOO / name


def test_layers_and_outputs_of_a_float_model() -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    report = mj_json("compare", SOURCE, "--target", "numpy", "--seeds", 2)
    outputs = [row for row in report["tensors"] if row["output"]]
    layers = [row for row in report["tensors"] if not row["output"]]
    assert report["within"] and [row["name"] for row in outputs] == ["scores"]
    assert outputs[0]["relative"] < 1e-4 and outputs[0]["snr"] > 80 and outputs[0]["max_quanta"] is None
    assert len(layers) >= 8 and all(row["relative"] < 1e-4 for row in layers)
    assert report["inputs_compared"] == 2 and "ONNX Runtime; layers: " in report["oracle"]
    assert mj_json("compare", SOURCE, "--target", "numpy", "--no-layers")["oracle"] == "ONNX Runtime"


def test_quantized_layers_are_nearly_the_same_integers() -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    """Until the first result whose rounding depends on the order of sums, of which there are few."""
    report = mj_json("compare", EXAMPLE / "fashion_mnist_int8.onnx", "--target", "numpy", "--quanta", "0.5")
    quantized = [row for row in report["tensors"] if row["max_quanta"] is not None]
    assert len(quantized) >= 15 and all(row["max_quanta"] == 0 for row in quantized[:3])
    assert all(row["mean_quanta"] < 0.5 for row in quantized) and quantized[-1]["output"]


def test_the_oracle_of_integers_does_not_saturate(tmp_path: Path) -> None:
    """As onnxruntime's sums of products do by default on x86 without VNNI."""
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    from onnx_models import model_of, node

    from millijoule.tools.peers.onnxruntime_oracle import Oracle

    constants = {"w": np.full((64, 3), 127, np.int8), "one": np.float32(1), "x0": np.uint8(0), "w0": np.int8(0)}
    nodes = [node("QLinearMatMul", "x one x0 w one w0 step x0", "y")]
    model = model_of(nodes, {"x": ((2, 64), "uint8")}, "y", constants | {"step": np.float32(16384)}, opset=10)
    (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
    found = Oracle(str(tmp_path / "m.onnx")).outputs({"x": np.full((2, 64), 255, np.uint8)})["y"]
    np.testing.assert_array_equal(found, np.full((2, 3), round(64 * 127 * 255 / 16384)))


@pytest.mark.parametrize(
    ("name", "words"),
    [("wakeword_resnet50_qdq.onnx", "refuses exact integer products"), ("resnet8_qdq.onnx", None)],
)
def test_an_oracle_that_may_saturate_says_so(
    name: str, words: str | None, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """Whatever this CPU: the note depends on what onnxruntime does with the model, whose own words nobody sees."""
    pytest.importorskip("onnxruntime")
    from millijoule.tools.peers import onnxruntime_oracle

    source = str(zoo(name))
    monkeypatch.setattr(onnxruntime_oracle, "saturates", lambda: True)
    note = onnxruntime_oracle.Oracle(source).note
    assert (words in note) if words and note else note == words
    monkeypatch.setattr(onnxruntime_oracle, "saturates", lambda: False)
    assert onnxruntime_oracle.Oracle(source).note is None
    assert capfd.readouterr().err == ""


def test_layers_of_integer_products_may_saturate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    from onnx_models import model_of, node

    from millijoule.tools.peers import onnxruntime_oracle

    monkeypatch.setattr(onnxruntime_oracle, "saturates", lambda: True)
    constants = {"w": np.full((4, 3), 100, np.int8)}
    products = model_of([node("MatMulInteger", "x w", "y")], {"x": ((2, 4), "uint8")}, "y", constants, opset=10)
    sums = model_of([node("Add", "x x", "y")], {"x": ((2, 4), "float32")}, "y", {}, opset=10)
    for model, feed, words in ((products, np.uint8, "without its optimisations"), (sums, np.float32, None)):
        (tmp_path / "m.onnx").write_bytes(model.SerializeToString())
        oracle = onnxruntime_oracle.Oracle(str(tmp_path / "m.onnx"))
        assert oracle.note is None
        oracle.layers({"x": np.ones((2, 4), feed)})
        assert (words in oracle.note) if words and oracle.note else oracle.note == words


def test_a_wrong_weight_is_found_and_is_status_1(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    assert mj("convert", SOURCE, "-o", tmp_path / "m.mj").exit_code == 0
    model = Model.load(tmp_path / "m.mj")
    weights = [value for value in model.graph.values.values() if value.data is not None and value.data.ndim == 4]
    broken = weights[2]
    assert broken.data is not None
    broken.data = broken.data * np.float32(1.5)
    model.save(tmp_path / "broken.mj")
    reader = next(node for node in model.graph.nodes if broken.name in node.inputs)
    done = mj("compare", tmp_path / "broken.mj", SOURCE, "--target", "numpy")
    assert done.exit_code == 1 and "beyond" in done.stdout
    first = done.stdout.partition("beyond the tolerance is '")[2].partition("'")[0]
    assert first and reader.outputs[0].startswith(first)
    assert mj("compare", tmp_path / "broken.mj", SOURCE, "--target", "numpy", "--tolerance", "1e9").exit_code == 0
    assert mj("compare", tmp_path / "m.mj", SOURCE, "--target", "numpy", "--no-layers").exit_code == 0


def test_given_inputs_are_compared(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    np.save(tmp_path / "x.npy", np.zeros((1, 1, 28, 28), np.float32))
    arguments = ["compare", SOURCE, "--target", "numpy", "--input", tmp_path / "x.npy", "--seeds", 5]
    assert mj_json(*arguments)["inputs_compared"] == 1


@pytest.mark.parametrize(("name", "quanta"), [("hello_world_int8.tflite", 0), ("kws_int8.tflite", 1)])
def test_real_tflite_models(name: str, quanta: int) -> None:
    pytest.importorskip("ai_edge_litert")
    report = mj_json("compare", zoo(name), "--target", "numpy")
    outputs = [row for row in report["tensors"] if row["output"]]
    assert report["within"] and all(row["max_quanta"] <= quanta for row in outputs)
    assert len(report["tensors"]) > 2 and "LiteRT" in report["oracle"]


def test_hybrid_models_differ_by_design() -> None:
    """LiteRT rounds the inputs of int8 weights to 8 bits on the fly, which a strict comparison must not blame on us."""
    pytest.importorskip("ai_edge_litert")
    pytest.importorskip("tflite")
    source = zoo("kws_f32.tflite")
    assert hybrid_operators(str(source)) == {"CONV_2D": 5}
    done = mj("compare", source, "--target", "numpy", "--no-layers", COLUMNS="80")
    assert done.exit_code == 1 and "a hybrid model: CONV_2D x5 have int8 weights" in done.stdout
    allowed = mj_json("compare", source, "--target", "numpy", "--no-layers", "--tolerance", "0.05")
    assert allowed["within"] and "by design" in allowed["note"]
    assert not hybrid_operators(str(zoo("kws_int8.tflite"))) and not hybrid_operators(str(zoo("resnet8_f32.tflite")))


def test_layers_that_the_other_engine_cannot_show() -> None:
    """LiteRT has this model's own operator only among its default kernels."""
    pytest.importorskip("ai_edge_litert")
    report = mj_json("compare", zoo("selfie_segmentation_f16w.tflite"), "--target", "numpy")
    assert report["within"] and "Convolution2DTransposeBias" in report["layers_left_out"]
    assert all(row["output"] for row in report["tensors"])


def test_a_model_without_its_source(tmp_path: Path) -> None:
    pytest.importorskip("onnx")
    mj("convert", SOURCE, "-o", tmp_path / "m.mj")
    done = mj("compare", tmp_path / "m.mj")
    assert done.exit_code == 2 and one_line(done.stderr) and "mj compare MODEL SRC" in done.stderr
    done = mj("compare", tmp_path / "m.mj", tmp_path / "m.mj")
    assert done.exit_code == 2 and one_line(done.stderr)


def test_a_source_beside_the_model_is_found(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    (tmp_path / SOURCE.name).write_bytes(SOURCE.read_bytes())
    mj("convert", SOURCE, "-o", tmp_path / "m.mj")
    assert mj("compare", tmp_path / "m.mj", "--target", "numpy").exit_code == 0


def test_another_models_source(tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    pytest.importorskip("onnx")
    done = mj("compare", SOURCE, zoo("mtcnn_rnet.onnx"), "--target", "numpy")
    assert done.exit_code == 2 and one_line(done.stderr) and "onnxruntime" in done.stderr


def test_distance_of_reals() -> None:
    away = distance(np.array([1.0, 2.0, -4.0]), np.array([1.0, 2.5, -4.0]), None)
    assert (away.max_abs, away.largest, away.relative) == (0.5, 4.0, 0.125)
    assert away.snr == pytest.approx(10 * np.log10((1 + 6.25 + 16) / 0.25))
    assert away.mean_quanta is None
    assert away.within(0.125, 0) and not away.within(0.12, 99)


def test_distance_of_what_is_not_finite() -> None:
    nan, inf = float("nan"), float("inf")
    assert distance(np.array([nan, inf, -inf]), np.array([nan, inf, -inf]), None).relative == 0
    assert distance(np.array([nan, 1]), np.array([1.0, 1]), None).relative == inf
    assert distance(np.array([inf, 1]), np.array([-inf, 1]), None).max_abs == inf
    assert distance(np.array([1e-9]), np.array([0.0]), None).relative == inf
    assert not distance(np.array([nan]), np.array([0.0]), None).within(1e9, 1e9)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "float32"])
def test_distance_in_quanta(dtype: str) -> None:
    """Stored 10, 20, 30 against 10, 22, 30, which a uint8 source counts from 128 and a float one as reals."""
    ours, theirs = np.array([10, 20, 30], np.int8), np.array([10, 22, 30], np.int16)
    wanted = {"int8": theirs, "uint8": theirs + 128, "float32": (theirs - 3) * 0.5}[dtype].astype(dtype)
    away = distance(ours, wanted, EIGHT)
    assert (away.max_quanta, away.mean_quanta, away.max_abs) == (2, pytest.approx(2 / 3), 1.0)
    assert away.within(0, 0.67) and not away.within(1, 0.66)


def test_the_worst_of_several() -> None:
    worst = Distance(1, 8, 20, 2, 0.5).worse(Distance(3, 4, 30, 1, 0.75))
    assert worst == Distance(3, 4, 20, 2, 0.75)


def test_nothing_to_compare() -> None:
    assert distance(np.zeros((0, 3)), np.zeros((0, 3)), None).within(0, 0)


def test_layers_are_found_by_name() -> None:
    pytest.importorskip("onnx")
    import millijoule

    graph = millijoule.convert(SOURCE).graph
    name = next(value for value in graph.values if ".channels_last" in value and graph.values[value].data is None)
    tensor = name.partition(".channels_last")[0]
    layers = match_layers(graph, {tensor: np.zeros((1, 2, 3, 4)), "nothing": np.zeros(1), "scores": np.zeros(1)})
    assert [(layer.value, layer.tensor) for layer in layers] == [(name, tensor)]
    assert layers[0].arrange(np.zeros((1, 2, 3, 4))).shape == (1, 3, 4, 2)
