"""Real .tflite models, converted and run in NumPy, against LiteRT's default kernels."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("tflite")
pytest.importorskip("ai_edge_litert")

from ai_edge_litert.interpreter import Interpreter, OpResolverType

import millijoule as mj
from millijoule.converters.imported import Imported
from millijoule.converters.tflite.convert import convert
from millijoule.runtime.evaluate.reference import run
from millijoule.runtime.file.metadata import Preprocessing

ZOO = Path(os.environ.get("MILLIJOULE_ZOO", Path(__file__).parents[2] / "shared" / "zoo"))

EXACT = ["kws_int8", "vww_int8", "resnet8_int8", "mobilenet_v2_224_int8"]
INTEGER = ["streaming_wakeword_int8", "mobilenet_v1_025_128_uint8", "micro_speech_int8", "hello_world_int8"]
REAL = {
    "vww_f32": 1e-3,
    "resnet8_f32": 1e-3,
    "hello_world_f32": 1e-3,
    "wakeword_siamese_f32": 1e-3,
    "blazeface_128_f16w": 1e-3,
    "selfie_segmentation_f16w": 1e-3,
    "pose_landmark_full": 1e-3,
    "kws_f32": 5e-2,
}
"""Largest error allowed, relative to the output's largest magnitude. LiteRT quantizes kws_f32's activations."""

SEEDS = {"mobilenet_v2_224_int8": 2, "pose_landmark_full": 1, "selfie_segmentation_f16w": 2}


def zoo(name: str) -> Path:
    path = ZOO / f"{name}.tflite"
    if not path.exists():
        pytest.skip(f"{path} is absent; MILLIJOULE_ZOO names the folder of real models")
    return path


@cache
def converted(name: str) -> Imported:
    return convert(zoo(name))


def feed(name: str, shape: tuple[int, ...], dtype: np.dtype, seed: int) -> np.ndarray:
    """Integers: noise. Reals: in 0..1, in blocks of 16 pixels for images, as what these nets make of noise depends on
    the last bit of their sums; resnet8 takes 0..255."""
    rng = np.random.default_rng(seed)
    if dtype.kind != "f":
        limits = np.iinfo(dtype)
        return rng.integers(limits.min, limits.max + 1, shape).astype(dtype)
    data = rng.uniform(0, 1, shape)
    if len(shape) == 4 and shape[1] >= 128:
        data = data[:, ::16, ::16].repeat(16, 1).repeat(16, 2)
    return (data * 255 if name.startswith("resnet8") else data).astype(dtype)


def outputs(interpreter: Interpreter, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    for details in interpreter.get_input_details():
        interpreter.set_tensor(details["index"], feeds[details["name"]])
    interpreter.invoke()
    return {details["name"]: interpreter.get_tensor(details["index"]) for details in interpreter.get_output_details()}


def interpreter(name: str, kernels: OpResolverType = OpResolverType.AUTO) -> Interpreter:
    found = Interpreter(str(zoo(name)), experimental_op_resolver_type=kernels, num_threads=1)
    found.allocate_tensors()
    return found


def both(name: str, litert: Interpreter, seed: int) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """LiteRT's outputs and ours for one seeded input, after checking names, shapes and dtypes."""
    details = litert.get_input_details()
    feeds = {d["name"]: feed(name, tuple(d["shape"]), np.dtype(d["dtype"]), seed) for d in details}
    wanted, found = outputs(litert, feeds), run(converted(name).graph, feeds)
    assert list(found) == list(wanted)
    assert [(a.shape, a.dtype) for a in found.values()] == [(a.shape, a.dtype) for a in wanted.values()]
    return wanted, found


@pytest.mark.parametrize("name", EXACT)
def test_the_very_same_integers(name: str) -> None:
    litert = interpreter(name)
    for seed in range(SEEDS.get(name, 8)):
        wanted, found = both(name, litert, seed)
        for output, array in wanted.items():
            np.testing.assert_array_equal(found[output], array)


@pytest.mark.parametrize("name", INTEGER)
def test_no_further_than_the_reference_kernels(name: str) -> None:
    """In mean quanta, from the default kernels."""
    litert, reference = interpreter(name), interpreter(name, OpResolverType.BUILTIN_REF)
    ours, theirs = [], []
    for seed in range(6):
        wanted, found = both(name, litert, seed)
        feeds = {
            d["name"]: feed(name, tuple(d["shape"]), d["dtype"](0).dtype, seed) for d in litert.get_input_details()
        }
        other = outputs(reference, feeds)
        for output, array in wanted.items():
            exact = array.astype(np.int64)
            ours.append(np.abs(found[output] - exact).mean())
            theirs.append(np.abs(other[output] - exact).mean())
    assert np.mean(ours) <= min(np.mean(theirs), 0.25)


@pytest.mark.parametrize("name", REAL)
def test_real_models_are_close(name: str) -> None:
    litert = interpreter(name)
    for seed in range(SEEDS.get(name, 3)):
        wanted, found = both(name, litert, seed)
        for output, array in wanted.items():
            assert np.abs(found[output] - array).max() <= REAL[name] * np.abs(array).max()


@pytest.mark.parametrize("name", [*EXACT, *INTEGER, *REAL])
def test_public_tensors_are_as_litert_prints_them(name: str) -> None:
    litert, graph = interpreter(name), converted(name).graph
    for public, all_details in (
        (graph.inputs, litert.get_input_details()),
        (graph.outputs, litert.get_output_details()),
    ):
        assert public == [details["name"] for details in all_details]
        for details in all_details:
            value = graph.values[details["name"]]
            assert value.dtype == details["dtype"]
            assert value.shape is not None
            assert [-1 if isinstance(dim, str) else dim for dim in value.shape] == list(details["shape_signature"])
            scale, zero_point = details["quantization"]
            assert (value.quant is None) == (scale == 0)
            if value.quant is not None:
                assert (value.quant.scale[0], value.quant.zero_point[0]) == (np.float32(scale), zero_point)


@pytest.mark.parametrize("name", EXACT[:3])
def test_a_batch_is_a_loop_over_its_entries(name: str) -> None:
    graph = converted(name).graph
    (public,) = graph.inputs
    shape = tuple(dim for dim in graph.values[public].shape or () if not isinstance(dim, str))
    x = feed(name, (3, *shape), np.dtype(np.int8), 0)
    whole = run(graph, {public: x})[graph.outputs[0]]
    parts = [run(graph, {public: x[i : i + 1]})[graph.outputs[0]] for i in range(3)]
    np.testing.assert_array_equal(whole, np.concatenate(parts))


def test_inside_everything_quantized_is_int8() -> None:
    for name in (*EXACT, *INTEGER):
        graph = converted(name).graph
        for value in graph.values.values():
            if value.quant is not None and value.name not in (*graph.inputs, *graph.outputs):
                assert value.dtype == (np.int32 if value.data is not None and value.data.ndim == 1 else np.int8), (
                    value.name
                )


def test_half_precision_and_hybrid_weights_stay_small() -> None:
    for name, stored in (
        ("blazeface_128_f16w", np.float16),
        ("selfie_segmentation_f16w", np.float16),
        ("kws_f32", np.int8),
    ):
        weights = [v.data for v in converted(name).graph.values.values() if v.data is not None and v.data.ndim > 1]
        assert sum(data.nbytes for data in weights if data.dtype == stored) > 0.5 * sum(data.nbytes for data in weights)


def test_labels_and_normalization_come_from_the_file() -> None:
    found = converted("mobilenet_v2_224_int8")
    assert found.labels is not None
    assert (len(found.labels), found.labels[653]) == (1001, "military uniform")
    assert found.preprocessing == Preprocessing(mean=(127.5,), std=(127.5,))
    assert converted("selfie_segmentation_f16w").labels == ["selfie"]


def test_signature_aliases() -> None:
    found = converted("streaming_wakeword_int8")
    assert found.aliases == {"input_1": "serving_default_input_1:0", "dense": "StatefulPartitionedCall:0"}


def test_a_stream_of_many_frames() -> None:
    """Frames that are loud now and then, so that the probability moves."""
    path = zoo("microwakeword_hey_jarvis_int8")
    oracle = Interpreter(str(path))
    oracle.allocate_tensors()
    source, result = oracle.get_input_details()[0], oracle.get_output_details()[0]
    rng = np.random.default_rng(0)
    with mj.load(mj.convert(path), target="numpy") as session:
        for frame in range(60):
            low = -128 + 2 * (frame % 60)
            x = rng.integers(low, 128, source["shape"]).astype(np.int8)
            oracle.set_tensor(source["index"], x)
            oracle.invoke()
            (y,) = session.run(x).values()
            np.testing.assert_array_equal(y, oracle.get_tensor(result["index"]))
