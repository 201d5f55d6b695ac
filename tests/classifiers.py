"""Small classifiers for the tests of cascades, and a cascade in plain NumPy to hold them against."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from session_models import FLOAT, INT8, node_graph

import millijoule as mj
from millijoule.runtime.evaluate import reference
from millijoule.runtime.graph import Dim, Node, Quantization, Value
from millijoule.runtime.ops import integer

CLASSES, SIZE = 10, 6
Shape = tuple[Dim, ...]


def classifier(
    seed: int, *, name: str = "image", shape: Shape = (1, SIZE, SIZE, 3), classes: int = CLASSES, end: str = "",
    spread: float = 0.2, steps: Sequence[str] = ("Relu",),
) -> mj.Model:  # fmt: skip
    """image -> scores (batch, classes): two linear layers with the named functions between, and at the end nothing
    (logits), "Softmax", "LogSoftmax", "Sigmoid" or "int8" (quantized logits)."""
    rng = np.random.default_rng(seed)
    batch, *rest = shape
    features = int(np.prod([dim for dim in rest if isinstance(dim, int)]))
    nodes = [Node("Flatten", [name], ["flat"], {}, "flatten")]
    nodes.append(Node("Gemm", ["flat", "w0", "b0"], ["hidden0"], {"transB": 1}, "first"))
    for index, step in enumerate(steps):
        nodes.append(Node(step, [f"hidden{index}"], [f"hidden{index + 1}"], {}, f"step{index}"))
    nodes.append(Node("Gemm", [f"hidden{len(steps)}", "w1", "b1"], ["logits"], {"transB": 1}, "second"))
    quant, output = None, "logits"
    if end == "int8":
        quant, output = Quantization.per_tensor(0.2, 3), "scores"
        nodes.append(Node("QuantizeLinear", ["logits", "scale", "zero"], ["scores"], {}, "quantize"))
    elif end:
        output = "scores"
        nodes.append(Node(end, ["logits"], ["scores"], {} if end == "Sigmoid" else {"axis": -1}, "last"))
    graph = node_graph(*nodes, inputs={name: shape}, outputs=(output,))
    graph.name = f"classifier {seed}"
    graph.values["logits"].shape = (batch, classes)
    graph.add_value(Value(output, INT8 if quant else FLOAT, (batch, classes), quant))
    for key, size in {"w0": (16, features), "b0": (16,), "w1": (classes, 16), "b1": (classes,)}.items():
        graph.add_constant(key, rng.normal(0, spread if key == "w0" else 1, size).astype(np.float32))
    if quant is not None:
        graph.add_constant("scale", quant.scale.reshape(()))
        graph.add_constant("zero", quant.zero_point.astype(np.int8).reshape(()))
    return mj.Model(graph)


def images(count: int, seed: int = 0, size: int = SIZE) -> np.ndarray:
    return np.random.default_rng(seed).normal(0, 1, (count, size, size, 3)).astype(np.float32)


def truth(stages: Sequence[mj.Model], x: np.ndarray, seed: int = 0) -> np.ndarray:
    """Labels for images that make a cascade worth while: the answer of the stage with the largest margin, but any class
    where that is among the smallest 30 %. Of models that take `x` by their only input's name."""
    p = []
    for stage in stages:
        z = np.array([_logits(stage, {next(iter(stage.inputs)): row[None]}) for row in x])
        e = np.exp(z - z.max(axis=1, keepdims=True))
        p.append(e / e.sum(axis=1, keepdims=True))
    ranked = np.sort(np.array(p), axis=-1)
    margins = ranked[..., -1] - ranked[..., -2]
    said = np.array(p).argmax(axis=-1)[margins.argmax(axis=0), np.arange(len(x))]
    vague = margins.max(axis=0) < np.quantile(margins.max(axis=0), 0.3)
    anything = np.random.default_rng(seed).integers(0, CLASSES, len(x))
    labels: np.ndarray = np.where(vague, anything, said)
    return labels


class Expected(NamedTuple):
    """One row's answer. close: whether a score is so near to another or to a threshold that rounding may decide."""

    label: int
    probabilities: np.ndarray
    score: float
    stage: int
    ran: int
    close: bool


def expect(stages: Sequence[mj.Model], gate: mj.Gate, feeds: dict[str, np.ndarray]) -> Expected:
    """What a cascade has to answer for one row, in float64. feeds: arrays for every stage, by its inputs' names."""
    near = 1e-4
    best: tuple[float, int, np.ndarray, int] | None = None
    close, thresholds = False, (*gate.thresholds(len(stages)), -1.0)
    temperatures = gate.temperatures(len(stages))
    for number, stage in enumerate(stages):
        z = _logits(stage, {name: feeds[name] for name in stage.inputs}) / temperatures[number]
        p = np.exp(z - z.max())
        p /= p.sum()
        ranked = np.sort(p)[::-1]
        entropy = -sum(x * np.log(x) for x in p if x > 0)
        score = {"max": ranked[0], "margin": ranked[0] - ranked[1], "entropy": 1 - entropy / np.log(p.size)}[gate.score]
        close |= ranked[0] - ranked[1] < near or abs(score - thresholds[number]) < near
        if best is not None and gate.post_check:
            close |= abs(score - best[0]) < near
        if best is None or not gate.post_check or score > best[0]:
            best = (score, int(p.argmax()), p, number)
        if score >= thresholds[number]:
            break
    assert best is not None
    label = best[1]
    if gate.abstain is not None and number == len(stages) - 1:
        close |= abs(best[0] - gate.abstain) < near
        label = -1 if best[0] < gate.abstain else label
    return Expected(label, best[2], best[0], best[3], number + 1, bool(close))


def _logits(stage: mj.Model, feeds: dict[str, np.ndarray]) -> np.ndarray:
    (name, found), *_ = reference.run(stage.graph, feeds).items()
    quant = stage.outputs[name].quant
    last = stage.graph.nodes[-1]
    real = (integer.dequantize(found, quant) if quant is not None else found).astype(np.float64).reshape(-1)
    if last.op == "Softmax":
        real = np.log(np.maximum(real, 1e-300))
    if last.op == "Sigmoid":
        real = np.log(real) - np.log1p(-real)
    return np.array([0.0, real[0]]) if real.size == 1 else real
