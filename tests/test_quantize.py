"""The quantizer on networks small and awkward: what comes out is integers, names stay, and the gate tells the truth."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx")
from onnx_models import node
from quantized_models import convolutional, images, run, save, sqnr, weights
from zoo_models import ZOO

import millijoule as mj
from millijoule.converters.quantize.search import search
from millijoule.runtime.fidelity import Fidelity, OutputFidelity
from millijoule.runtime.graph import Graph


@pytest.fixture(autouse=True)
def numpy_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Kernels have tests of their own, and integers are the same bit for bit in NumPy."""
    monkeypatch.setenv("MILLIJOULE_TARGET", "numpy")


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return save(tmp_path / "float.onnx", *convolutional())


def dtypes(graph: Graph, op: str) -> Counter[str]:
    return Counter(graph.values[each.outputs[0]].dtype.name for each in graph.nodes if each.op == op)


def test_layers_compute_on_integers_and_the_outside_stays(source: Path) -> None:
    model = mj.convert(source, quantize="int8", calibration={"x": images(24)})
    assert dtypes(model.graph, "Conv") == {"int8": 3}
    assert [str(info) for info in model.inputs.values()] == ["'x' float32 (1, 3, 8, 8)"]
    assert [str(info) for info in model.outputs.values()] == ["'scores' float32 (1, 4)"]
    weight = [value.data for value in model.graph.values.values() if value.data is not None]
    assert all(data.min() >= -127 for data in weight if data.dtype == np.int8 and data.ndim > 1)
    fresh = images(20, seed=9)
    assert sqnr(run(source, fresh), run(model, fresh)) > 28


def test_the_gate_measures_held_out_samples_on_the_final_file(source: Path, tmp_path: Path) -> None:
    x = images(24)
    model = mj.convert(source, quantize="int8", calibration={"x": x})
    assert model.fidelity is not None
    model.save(tmp_path / "out.mj")
    held = x[4::5]
    wanted, found = run(source, held), run(tmp_path / "out.mj", held)
    output = model.fidelity.outputs[0]
    assert model.fidelity.samples == len(held) == output.samples and model.fidelity.held_out
    assert output.agreed == (wanted.argmax(1) == found.argmax(1)).sum()
    assert output.sqnr == pytest.approx(sqnr(wanted, found), abs=0.01)
    assert {layer.name.partition(".")[0] for layer in model.fidelity.layers} >= {"r1", "r2", "c3"}
    assert all(20 < layer.sqnr < 70 for layer in model.fidelity.layers)


def test_looking_at_layers_beats_the_histograms_alone(source: Path) -> None:
    fresh, x = images(40, seed=5), images(40)
    wanted = run(source, fresh)
    plain = mj.convert(source, quantize="int8", calibration={"x": x}, fast=True)
    careful = mj.convert(source, quantize="int8", calibration={"x": x})
    assert sqnr(wanted, run(careful, fresh)) > sqnr(wanted, run(plain, fresh))


@pytest.mark.parametrize("method", ["minmax", "percentile", "mse", "entropy"])
def test_a_method_may_be_named(method: str, source: Path) -> None:
    model = mj.convert(source, quantize="int8", calibration={"x": images(20)}, method=method, fast=True)
    fresh = images(20, seed=9)
    assert sqnr(run(source, fresh), run(model, fresh)) > (5 if method == "entropy" else 15)


def test_layers_stay_in_float_by_their_names_in_the_source(source: Path) -> None:
    x = images(20)
    model = mj.convert(source, quantize="int8", calibration={"x": x}, keep_float=["c2"], fast=True)
    assert dtypes(model.graph, "Conv") == {"int8": 2, "float32": 1}
    with pytest.raises(mj.InputError, match="no layer 'nothing' to keep in float; the layers with weights are 'r1"):
        mj.convert(source, quantize="int8", calibration={"x": x}, keep_float=["nothing"])


def test_without_samples_weights_alone_are_integers(source: Path) -> None:
    model = mj.convert(source, quantize="int8")
    assert dtypes(model.graph, "Conv") == {"float32": 3}
    stored = sum(v.data.nbytes for v in model.graph.values.values() if v.data is not None and v.data.dtype == np.int8)
    assert stored >= 8 * 27 + 8 * 9
    assert model.fidelity is not None and "only the weights" in model.fidelity.notes[0]
    fresh = images(20, seed=9)
    assert sqnr(run(source, fresh), run(model, fresh)) > 30


def test_weights_of_16_bits(source: Path, tmp_path: Path) -> None:
    model = mj.convert(source, quantize="float16")
    model.save(tmp_path / "half.mj")
    halves = {v.data.shape for v in model.graph.values.values() if v.data is not None and v.data.dtype == np.float16}
    assert {(8, 3, 3, 3), (8, 3, 3, 1)} <= halves and dtypes(model.graph, "Conv") == {"float32": 3}
    fresh = images(8, seed=9)
    wanted, found = run(source, fresh), run(tmp_path / "half.mj", fresh)
    assert 50 < sqnr(wanted, found) < 100


def test_integers_outside_too(source: Path) -> None:
    model = mj.convert(source, quantize="int8", calibration={"x": images(24)}, io="int8")
    assert [info.dtype for info in (*model.inputs.values(), *model.outputs.values())] == [np.int8, np.int8]
    assert all(info.quant is not None for info in (*model.inputs.values(), *model.outputs.values()))
    fresh = images(10, seed=9)
    with mj.load(model) as session:
        found = [session.dequantize("scores", session.run(session.quantize("x", x[None]))["scores"]) for x in fresh]
    assert sqnr(run(source, fresh), np.concatenate(found)) > 18


def fidelity(kept: Sequence[str], needed: set[str], harmless: str) -> Fidelity:
    """Of a model that agrees once all the needed layers are in float; the harmless one gains most by itself."""
    gain = 30.0 if harmless in kept else 10.0 + len(needed & set(kept))
    agreed = 100 if needed <= set(kept) else 50
    return Fidelity(100, False, [OutputFidelity("scores", gain, 1.0, agreed, 100)])


@pytest.mark.parametrize("needed", [set(), {"a"}, {"b", "d"}, {"a", "b", "c", "d"}])
def test_the_search_keeps_what_is_needed_and_no_more(needed: set[str]) -> None:
    layers = ["a", "b", "harmless", "c", "d"]
    found = search(layers, lambda kept: fidelity(kept, needed, "harmless"), 0.99, lambda *_: None)
    assert set(found) == needed


def test_an_agreement_is_reached_or_refused(source: Path) -> None:
    """What judges here is far beyond what was calibrated with."""
    x = images(20)
    model = mj.convert(source, quantize="int8", calibration={"x": x}, fast=True, min_agreement=0.5)
    assert model.fidelity is not None and not model.fidelity.kept and model.fidelity.agreement >= 0.5
    wrong = {"x": 1e6 * images(40, seed=3)}
    with pytest.raises(mj.Error, match=r"agreement 0\.99 is not reached"):
        mj.convert(source, quantize="int8", calibration={"x": x}, validation=wrong, fast=True, min_agreement=0.99)


def test_sequences_of_any_length(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    nodes = [
        *(node("Conv", "x w1", "c1", pads=[1, 1]), node("Relu", "c1", "r1"), node("Conv", "r1 w2", "c2", pads=[1, 1])),
        node("GlobalAveragePool", "c2", "scores"),
    ]
    constants = {"w1": weights(rng, 8, 3, 3), "w2": weights(rng, 4, 8, 3)}
    source = save(tmp_path / "float.onnx", nodes, constants, shape=(1, 3, "time"))
    lengths = [5, 9, 12, 30, 7, 8, 11, 16, 21, 4]
    samples = [{"x": images(1, seed, (3, length))} for seed, length in enumerate(lengths)]
    model = mj.convert(source, quantize="int8", calibration=samples)
    assert dtypes(model.graph, "Conv")["int8"] == 2
    assert model.fidelity is not None and model.fidelity.samples == 2 and model.fidelity.outputs[0].sqnr > 20


def test_a_quantized_model_is_refused(source: Path, tmp_path: Path) -> None:
    example = Path(__file__).resolve().parent.parent / "examples" / "fashion_mnist" / "fashion_mnist_int8.onnx"
    with pytest.raises(mj.InputError, match="quantized already"):
        mj.convert(example, quantize="int8", calibration={"image": np.zeros((20, 1, 28, 28), np.float32)})


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"quantize": "int4"}, "quantize='int4': one of int8, dynamic, float16"),
        ({"calibration": {}}, "quantize='int8' is wanted, too"),
        ({"keep_float": "conv"}, "quantize='int8' is wanted, too"),
        ({"fast": True}, "quantize='int8' is wanted, too"),
        ({"quantize": "float16", "calibration": {}}, "float16 is for weights alone"),
        ({"quantize": "int8", "method": "best"}, "method='best': one of auto, minmax"),
        ({"quantize": "int8", "io": "uint8"}, "io='uint8'"),
        ({"quantize": "int8", "min_agreement": 0.9}, "take samples to calibrate with"),
        ({"quantize": "int8", "min_agreement": 2.0, "calibration": {}}, "no share between 0 and 1"),
    ],
)
def test_options_that_make_no_sense(options: dict[str, Any], problem: str, source: Path) -> None:
    with pytest.raises(mj.InputError, match=problem):
        mj.convert(source, **options)


@pytest.mark.skipif(not ZOO.is_dir(), reason=f"no zoo at {ZOO}")
@pytest.mark.parametrize("network", ["resnet8", "kws", "vww"])
def test_files_are_no_larger_than_tflites_of_the_same_network(network: str, tmp_path: Path) -> None:
    source = ZOO / f"{network}_f32.tflite"
    (name, info), *_ = mj.convert(source).inputs.items()
    assert info.shape is not None
    samples = images(6, shape=tuple(int(size) for size in info.shape[1:]))
    mj.convert(source, quantize="int8", calibration={name: samples}, fast=True).save(tmp_path / "int8.mj")
    assert (tmp_path / "int8.mj").stat().st_size <= (ZOO / f"{network}_int8.tflite").stat().st_size
