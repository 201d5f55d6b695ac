"""Real .onnx models, converted and run in NumPy, against onnxruntime."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("onnx")
pytest.importorskip("onnxruntime")

import onnx
from onnx_models import onnxruntime_of, run_all

from millijoule.converters.onnx.convert import convert
from millijoule.converters.rewrites.pipeline import rewrite
from millijoule.runtime.evaluate.reference import run
from millijoule.runtime.graph import Value
from millijoule.runtime.model import Model
from millijoule.runtime.session import load

ZOO = Path(os.environ.get("MILLIJOULE_ZOO", Path(__file__).parents[2] / "shared" / "zoo"))

CONVOLUTIONAL = {
    "blazeface_128": {},
    "efficientnet_lite0": {},
    "fastestdet_352": {},
    "yolox_ddddocr_416": {},
    "mtcnn_pnet": {"N": 2, "M1": 61, "M2": 50},
    "mtcnn_rnet": {"N": 3},
    "mtcnn_onet": {"N": 1},
    "ppocr_cls": {"x[0]": 1, "x[2]": 48, "x[3]": 100},
}
QUANTIZED = ["kws_qdq", "vww_qdq", "resnet8_qdq", "wakeword_resnet50_qdq"]
OTHERS = {
    "ppocr_v4_rec": {"p2o.DynamicDimension.0": 1, "x[2]": 48, "p2o.DynamicDimension.1": 96},
    "magika": {"unk__214": 1},
    "minilm_l6_int8w": {"batch": 1, "sequence": 16},
}
TOLERANCE = 1e-3
"""Largest error allowed, relative to the output's largest magnitude."""


def zoo(name: str) -> str:
    path = ZOO / f"{name}.onnx"
    if not path.exists():
        pytest.skip(f"{path} is absent; MILLIJOULE_ZOO names the folder of real models")
    return str(path)


def worst_error(name: str, sizes: dict[str, int], optimize: bool = True, seed: int = 0) -> float:
    path = zoo(name)
    graph = convert(path).graph
    rng = np.random.default_rng(seed)
    feeds = {}
    for key in graph.inputs:
        value = graph.values[key]
        shape = [sizes[dim] if isinstance(dim, str) else dim for dim in value.shape or ()]
        real = value.dtype.kind == "f"
        feeds[key] = (rng.uniform(-1, 1, shape) if real else rng.integers(0, 2, shape)).astype(value.dtype)
    found, wanted = run_all(graph, feeds), onnxruntime_of(path, feeds, optimize)
    assert list(found) == list(wanted)
    assert [array.shape for array in found.values()] == [array.shape for array in wanted.values()]
    return max(float(np.abs(found[key] - wanted[key]).max() / np.abs(wanted[key]).max()) for key in wanted)


@pytest.mark.parametrize("name", CONVOLUTIONAL)
def test_convolutional_models(name: str) -> None:
    assert worst_error(name, CONVOLUTIONAL[name]) < TOLERANCE


@pytest.mark.parametrize("name", QUANTIZED[:3])
def test_quantized_models_do_as_they_are_written(name: str) -> None:
    """Against onnxruntime without optimisations, which like the graph here quantizes and dequantizes step by step."""
    assert worst_error(name, {}, optimize=False) < TOLERANCE


@pytest.mark.parametrize("name", QUANTIZED)
def test_every_step_between_two_quantizations(name: str) -> None:
    """From onnxruntime's integers to ours, of which at most one in a thousand is one off, where a sum of floats comes
    to lie between two. In ResNet-50 one such integer moves the output by 5 %, so each step starts from onnxruntime's.
    """
    model = onnx.load(zoo(name))
    graph = convert(model).graph
    made = {found.outputs[0]: found for found in graph.nodes if found.op == "QuantizeLinear"}
    model.graph.output.extend(onnx.ValueInfoProto(name=key) for key in made if key in _results(model))
    shapes = {key: [dim for dim in graph.values[key].shape or () if isinstance(dim, int)] for key in graph.inputs}
    rng = np.random.default_rng(0)
    feeds = {key: rng.uniform(-1, 1, shape).astype(np.float32) for key, shape in shapes.items()}
    wanted = onnxruntime_of(model, feeds, optimize=False)
    compared = {}
    for key, found in made.items():
        if key in wanted:
            ours = f"{key}.ours"
            value = graph.values[key]
            graph.add_value(Value(ours, value.dtype, value.shape))
            found.outputs[0], compared[key] = ours, ours
    assert len(compared) >= 12
    result = run(graph, feeds | {key: wanted[key] for key in compared}, outputs=compared.values())
    for key, ours in compared.items():
        apart = np.abs(result[ours].astype(np.int64) - wanted[key].astype(np.int64))
        assert apart.max() <= 1 and apart.mean() <= 1e-3, key


def _results(model: onnx.ModelProto) -> set[str]:
    return {name for made in model.graph.node for name in made.output}


@pytest.mark.parametrize("name", OTHERS)
def test_models_with_attention_and_computed_shapes(name: str) -> None:
    assert worst_error(name, OTHERS[name]) < TOLERANCE


def test_ranks_are_known_throughout() -> None:
    """So that rewrites can move transposes past any operator, even where a text's width is symbolic."""
    for name in (*CONVOLUTIONAL, *QUANTIZED, "ppocr_v4_rec"):
        graph = convert(zoo(name)).graph
        assert all(value.shape is not None for value in graph.values.values()), name


def test_branches_are_chosen_by_an_input() -> None:
    """silero_vad: 25 Ifs, of which the sampling rate chooses, and LSTMs; one session with both rates and batches."""
    path, rng = zoo("silero_vad"), np.random.default_rng(0)
    graph = convert(path).graph
    rewrite(graph)
    with load(Model(graph), target="numpy", threads=1) as session:
        for rate, length, batch in ((16000, 512, 1), (8000, 256, 2), (16000, 512, 2)):
            feeds: dict[str, np.ndarray] = {
                "input": rng.normal(scale=0.1, size=(batch, length)).astype(np.float32),
                "state": rng.normal(scale=0.1, size=(2, batch, 128)).astype(np.float32),
                "sr": np.array(rate, np.int64),
            }
            found, wanted = session.run(feeds), onnxruntime_of(path, feeds)
            for name, expected in wanted.items():
                np.testing.assert_allclose(found[name], expected, rtol=1e-4, atol=2e-5, err_msg=name)
