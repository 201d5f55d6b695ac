"""The 27 models of the zoo, inputs for them, and how far millijoule's outputs are from the oracles'.

Every model goes the whole road: converted, saved as .mj, loaded from the file, run by a session.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from onnxruntime_session import open_session

if TYPE_CHECKING:
    from millijoule import Model

ZOO = Path(os.environ.get("MILLIJOULE_ZOO", Path(__file__).resolve().parents[2] / "shared" / "zoo"))

Arrays = dict[str, np.ndarray]
Run = Callable[[Mapping[str, np.ndarray]], Arrays]
KINDS = ("float", "qdq", "exact", "integer")


@dataclass(frozen=True)
class Zoo:
    """One model.

    kind: "float"; "qdq" (integers written as floats between quantizations); "exact" and "integer" (TFLite integers,
    which must be LiteRT's own, or near them). seeds: how many inputs. sizes: of symbolic dimensions, by name, 1 where
    absent. low, high: range of the noise fed to it, normal noise where they are equal.
    block: noise in squares of so many pixels, as what nets make of noise depends on the last bit of their sums.
    """

    file: str
    kind: str
    seeds: int = 5
    sizes: tuple[tuple[str, int], ...] = ()
    low: float = 0.0
    high: float = 1.0
    block: int = 1
    tolerance: float = 1e-3

    @property
    def name(self) -> str:
        return Path(self.file).stem

    @property
    def path(self) -> Path:
        return ZOO / self.file


# The ranges are those that the models were trained for: pixels as 0..1, -1..1 or 0..255, features about 0.
MODELS = [
    Zoo("kws_f32.tflite", "float", low=0, high=0, tolerance=5e-2),  # LiteRT quantizes its activations on the fly
    Zoo("vww_f32.tflite", "float"),
    Zoo("resnet8_f32.tflite", "float", high=255),
    Zoo("efficientnet_lite0.onnx", "float", low=-2, high=2),
    Zoo("blazeface_128.onnx", "float", low=-1),
    Zoo("blazeface_128_f16w.tflite", "float", low=-1),
    Zoo("selfie_segmentation_f16w.tflite", "float", block=16),
    Zoo("pose_landmark_full.tflite", "float", block=16),
    Zoo("fastestdet_352.onnx", "float"),
    Zoo("yolox_ddddocr_416.onnx", "float", high=255),
    Zoo("mtcnn_pnet.onnx", "float", low=-1, sizes=(("M1", 150), ("M2", 150))),
    Zoo("mtcnn_rnet.onnx", "float", low=-1, sizes=(("N", 3),)),
    Zoo("mtcnn_onet.onnx", "float", low=-1, sizes=(("N", 2),)),
    Zoo("wakeword_siamese_f32.tflite", "float"),
    Zoo("hello_world_f32.tflite", "float", high=6.3),
    Zoo("kws_qdq.onnx", "qdq", 16, low=0, high=0),
    Zoo("vww_qdq.onnx", "qdq", 16),
    Zoo("resnet8_qdq.onnx", "qdq", 16, high=255),
    Zoo("wakeword_resnet50_qdq.onnx", "qdq", 16, low=0, high=0),
    Zoo("kws_int8.tflite", "exact", 200),
    Zoo("vww_int8.tflite", "exact", 200),
    Zoo("resnet8_int8.tflite", "exact", 200),
    Zoo("mobilenet_v2_224_int8.tflite", "exact", 200),
    Zoo("streaming_wakeword_int8.tflite", "integer", 50),
    Zoo("mobilenet_v1_025_128_uint8.tflite", "integer", 50),
    Zoo("micro_speech_int8.tflite", "integer", 50),
    Zoo("hello_world_int8.tflite", "integer", 50),
]
BY_NAME = {model.name: model for model in MODELS}
INTEGERS = [model for model in MODELS if model.kind in ("exact", "integer")]
QDQ = [model for model in MODELS if model.kind == "qdq"]


def missing(model: Zoo) -> str | None:
    """Why the model cannot be judged here, or None."""
    if not model.path.exists():
        return f"{model.path} is absent; MILLIJOULE_ZOO names the folder of real models"
    modules = ("tflite", "ai_edge_litert") if model.file.endswith(".tflite") else ("onnx", "onnxruntime")
    from importlib.util import find_spec

    lacking = [module for module in modules if find_spec(module) is None]
    return f"needs {' and '.join(lacking)}" if lacking else None


def converted(model: Zoo, folder: Path) -> Path:
    """The model as .mj in a folder, converted where it is not there yet."""
    import millijoule

    path = folder / f"{model.name}.mj"
    if not path.exists():
        millijoule.convert(model.path).save(path)
    return path


def feeds_of(model: Zoo, inputs: Mapping[str, Any], seed: int) -> Arrays:
    """Seeded noise for inputs described as `Session.input_info` does: integers over their whole range."""
    rng = np.random.default_rng(seed)
    sizes = dict(model.sizes)
    feeds = {}
    for name, info in inputs.items():
        shape = tuple(sizes.get(dim, 1) if isinstance(dim, str) else dim for dim in info.shape)
        if info.dtype.kind != "f":
            limits = np.iinfo(info.dtype)
            feeds[name] = rng.integers(limits.min, limits.max + 1, shape).astype(info.dtype)
        elif model.low == model.high:
            feeds[name] = rng.standard_normal(shape).astype(info.dtype)
        else:
            feeds[name] = _blocks(rng.uniform(model.low, model.high, shape), model.block).astype(info.dtype)
    return feeds


def _blocks(pixels: np.ndarray, side: int) -> np.ndarray:
    """Pixels (N, H, W, C), every square taking the value of its first one."""
    if side == 1:
        return pixels
    n, h, w, c = pixels.shape
    return pixels[:, ::side, ::side].repeat(side, 1).repeat(side, 2)[:, :h, :w].reshape(n, h, w, c)


def integers_of(model: Model) -> list[str]:
    """Outputs that are integers; of a model that ends in real numbers, the last quantized values before them."""
    graph = model.graph
    found = [name for name in graph.outputs if graph.values[name].dtype.kind in "iu"]
    ends = [node.inputs[0] for node in graph.nodes if node.op == "DequantizeLinear"]
    return found or [name for name in ends if graph.values[name].data is None][-1:]


@cache
def oracle(model: Zoo, *, plain: bool = False) -> Run:
    """onnxruntime or LiteRT with one thread. plain: without its optimisations, or with its plain kernels."""
    return (_litert if model.file.endswith(".tflite") else _onnxruntime)(model, plain)


def _onnxruntime(model: Zoo, plain: bool) -> Run:
    session = open_session(model.path, optimize=not plain)
    names = [output.name for output in session.get_outputs()]
    return lambda feeds: dict(zip(names, session.run(names, dict(feeds)), strict=True))


def _litert(model: Zoo, plain: bool) -> Run:
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    kernels = OpResolverType.AUTO
    if plain:
        real = model.kind == "float"
        kernels = OpResolverType.BUILTIN_WITHOUT_DEFAULT_DELEGATES if real else OpResolverType.BUILTIN_REF
    interpreter = Interpreter(str(model.path), experimental_op_resolver_type=kernels, num_threads=1)
    interpreter.allocate_tensors()

    def run(feeds: Mapping[str, np.ndarray]) -> Arrays:
        for details in interpreter.get_input_details():
            interpreter.set_tensor(details["index"], feeds[details["name"]])
        interpreter.invoke()
        return {
            details["name"]: interpreter.get_tensor(details["index"]) for details in interpreter.get_output_details()
        }

    return run


def relative(found: Arrays, wanted: Arrays) -> float:
    """Largest absolute error of any output, relative to that output's largest magnitude."""
    return max(
        float(np.abs(found[name].astype(np.float64) - array).max() / max(np.abs(array).max(), 1e-30))
        for name, array in wanted.items()
    )


def quanta(found: Arrays, wanted: Arrays) -> float:
    """Mean absolute difference of integers."""
    return float(np.mean([np.abs(found[name].astype(np.int64) - array).mean() for name, array in wanted.items()]))


@dataclass
class Verdict:
    """distances: ours from the oracle, by seed. spread: the oracle's from its own plain kernels, which excuses what is
    beyond the tolerance, and is empty where nothing is."""

    model: Zoo
    distances: list[float]
    spread: list[float]

    def problems(self) -> list[str]:
        """What keeps the model from being accepted; see "What must be seen" in the project's second issue."""
        kind = self.model.kind
        if kind == "exact":
            wrong = sum(distance > 0 for distance in self.distances)
            return [f"{wrong} of {len(self.distances)} inputs give other integers than LiteRT"] if wrong else []
        found = []
        for what, ours, limit in self.measures():
            if not ours <= limit:
                found.append(f"{what} {ours:.2e} is more than {limit:.2e}")
        return found

    def measures(self) -> list[tuple[str, float, float]]:
        """(what, ours, the limit)."""
        ours, spread = np.array(self.distances), np.array(self.spread or [0.0])
        if self.model.kind == "float":
            return [("largest error", ours.max(), max(self.model.tolerance, spread.max()))]
        if self.model.kind == "qdq":
            return [
                ("mean error", ours.mean(), max(2e-3, spread.mean())),
                ("90th percentile", np.percentile(ours, 90), max(2e-3, np.percentile(spread, 90))),
            ]
        if self.model.kind == "integer":
            return [("mean quanta", ours.mean(), max(0.25, spread.mean()))]
        return [("inputs that differ", float((ours > 0).sum()), 0.0)]


def judge(model: Zoo, folder: Path, *, target: str | None = None) -> Verdict:
    """Converts, saves, loads and runs the model, beside its oracle. Names, shapes and dtypes must be the oracle's."""
    import millijoule

    measure = quanta if model.kind in ("exact", "integer") else relative
    theirs = oracle(model)
    verdict = Verdict(model, [], [])
    with millijoule.load(converted(model, folder), threads=1, target=target) as session:
        for seed in range(model.seeds):
            feeds = feeds_of(model, session.input_info, seed)
            found, wanted = session.run(feeds), theirs(feeds)
            assert list(found) == list(wanted)
            assert [(a.shape, a.dtype) for a in found.values()] == [(a.shape, a.dtype) for a in wanted.values()]
            verdict.distances.append(measure(found, wanted))
        if model.kind != "exact" and verdict.problems():
            plain = oracle(model, plain=True)
            for seed, distance in enumerate(verdict.distances):
                # The mean of integer models is one of all inputs.
                if model.kind != "float" or distance > model.tolerance:
                    feeds = feeds_of(model, session.input_info, seed)
                    verdict.spread.append(measure(plain(feeds), theirs(feeds)))
    return verdict
