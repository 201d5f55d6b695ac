"""Linear layers that round their rows as they come: what becomes of a model, what is refused, and how true it stays."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx")
import onnx
from cli import mj as run_mj
from cli import mj_json, one_line
from onnx_models import model_of, node
from quantized_models import IMAGE, convolutional, images, run, save, sqnr, weights

import millijoule as mj


@pytest.fixture(autouse=True)
def numpy_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kernels have tests of their own."""
    monkeypatch.setenv("MILLIJOULE_TARGET", "numpy")


def linear(path: Path) -> Path:
    """A Gemm of each form, one with a fused activation, a MatMul with and one without a bias, and a product of two
    activations."""
    rng = np.random.default_rng(0)
    nodes = [
        *(node("Flatten", "x", "flat"), node("Gemm", "flat w1 b1", "g1", transB=1), node("Relu", "g1", "r1")),
        *(node("MatMul", "r1 w2", "m2"), node("Add", "m2 b2", "a2"), node("Tanh", "a2", "t2")),
        *(node("Transpose", "t2", "turned"), node("MatMul", "turned t2", "outer"), node("MatMul", "outer w3", "m3")),
        node("Gemm", "m3 w4", "scores"),
    ]
    constants = {"w1": weights(rng, 32, 192), "w2": weights(rng, 32, 16), "w3": weights(rng, 16, 8)}
    constants |= {"b1": weights(rng, 32), "b2": weights(rng, 16), "w4": weights(rng, 8, 4)}
    return save(path / "linear.onnx", nodes, constants)


def operators(model: mj.Model) -> Counter[str]:
    return Counter(each.op for each in model.graph.nodes)


def stored(model: mj.Model) -> Counter[str]:
    """How many weights there are of each dtype."""
    arrays = [each.data for each in model.graph.values.values() if each.data is not None and each.data.ndim > 1]
    return Counter(array.dtype.name for array in arrays)


def test_linear_layers_round_their_rows(tmp_path: Path) -> None:
    source, x = linear(tmp_path), images(20)
    model = mj.convert(source, quantize="dynamic")
    assert operators(model)["DynamicMatMul"] == 4 and operators(model)["MatMul"] == 1
    assert model.fidelity is not None and not model.fidelity.samples and "row by row" in model.fidelity.notes[0]
    model.save(tmp_path / "out.mj")
    assert 30 < sqnr(run(source, x), run(tmp_path / "out.mj", x)) < 60


def test_other_layers_have_integer_weights(tmp_path: Path) -> None:
    source = save(tmp_path / "float.onnx", *convolutional())
    model, other = mj.convert(source, quantize="dynamic"), mj.convert(source, quantize="int8")
    assert operators(model)["DynamicMatMul"] == 1
    assert stored(model)["int8"] == stored(other)["int8"] + 1 >= 3


def test_a_layer_stays_in_float(tmp_path: Path) -> None:
    source = linear(tmp_path)
    assert operators(mj.convert(source, quantize="dynamic", keep_float=["m2"]))["DynamicMatMul"] == 3


@pytest.mark.parametrize("role", ["calibration", "validation"])
def test_samples_only_judge(role: str, tmp_path: Path) -> None:
    source, x = linear(tmp_path), images(16)
    samples: dict[str, Any] = {role: {"x": x}}
    judged = mj.convert(source, quantize="dynamic", **samples)
    plain = mj.convert(source, quantize="dynamic")
    assert judged.fidelity is not None and judged.fidelity.samples == 16
    assert judged.fidelity.outputs[0].sqnr == pytest.approx(sqnr(run(source, x), run(plain, x)), abs=0.01)


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"method": "mse"}, "no ranges to choose"),
    ({"fast": True}, "no ranges to choose"),
    ({"io": "int8"}, "no ranges to choose"),
    ({"min_agreement": 0.9}, "no ranges to choose"),
    ({"budget": "size=20KB"}, "no ranges to choose"),
    ({"keep_float": ["nothing"]}, "no layer 'nothing'"),
]


@pytest.mark.parametrize("options, words", REFUSED, ids=[next(iter(options)) for options, _ in REFUSED])
def test_what_it_cannot_use_is_refused(options: dict[str, Any], words: str, tmp_path: Path) -> None:
    with pytest.raises(mj.InputError, match=words):
        mj.convert(linear(tmp_path), quantize="dynamic", calibration={"x": images(8)}, **options)


def test_a_model_without_linear_layers_is_refused(tmp_path: Path) -> None:
    constants = {"w1": weights(np.random.default_rng(0), 4, 3, 3, 3)}
    source = save(tmp_path / "float.onnx", [node("Conv", "x w1", "scores")], constants, shape=IMAGE)
    with pytest.raises(mj.InputError, match="no linear layer"):
        mj.convert(source, quantize="dynamic")


def test_on_the_command_line(tmp_path: Path) -> None:
    source, out = linear(tmp_path), tmp_path / "out.mj"
    np.savez(tmp_path / "samples.npz", x=images(12))
    done = run_mj("convert", source, "-o", out, "--quantize", "dynamic", "--calibrate", tmp_path / "samples.npz")
    assert "row by row" in " ".join(done.stdout.split())
    steps = mj_json("inspect", out, "--steps")["steps"]
    assert Counter(step["operator"] for step in steps)["DynamicMatMul"] >= 4
    refused = run_mj("convert", source, "-o", out, "--quantize", "dynamic", "--fast")
    assert refused.exit_code == 2 and one_line(refused.stderr) and "no ranges to choose" in refused.stderr


@pytest.mark.parametrize("mode", ["dynamic", "int8"])
def test_a_stored_table_stays_as_it_is(mode: str, tmp_path: Path) -> None:
    """Rows of integers that are looked up are no sign of a model that is quantized already."""
    rng = np.random.default_rng(0)
    constants = {"table": rng.integers(-127, 128, (500, 16)).astype(np.int8), "scale": np.float32(0.01)}
    constants |= {"zero": np.int8(0), "w": weights(rng, 16, 8)}
    nodes = [
        *(node("DequantizeLinear", "table scale zero", "real"), node("Gather", "real x", "rows")),
        node("MatMul", "rows w", "scores"),
    ]
    source = tmp_path / "embedding.onnx"
    onnx.save(model_of(nodes, {"x": ((1, 6), "int64")}, "scores", constants), source)
    model = mj.convert(source, quantize=mode)
    model.save(tmp_path / "out.mj")
    assert stored(model)["float32"] == 0 and (tmp_path / "out.mj").stat().st_size < 16 * 500 + 6000
    with mj.load(source) as wanted, mj.load(tmp_path / "out.mj") as found:
        x = rng.integers(0, 500, (1, 6))
        assert sqnr(wanted.run(x)["scores"], found.run(x)["scores"]) > 35
