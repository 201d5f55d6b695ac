"""What quantizing lost: the final model beside the float one, as both run, on samples that chose nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from ...runtime.fidelity import Fidelity, LayerFidelity, OutputFidelity, decibels
from ...runtime.graph import Graph
from ...runtime.model import Model
from ...runtime.ops.integer import dequantize
from .emit import INTEGERS
from .loss import is_scores
from .running import Runner
from .samples import Samples

Progress = Callable[[int, int, str], None]
ONE = np.float32(1)
"""The factor of a tensor that was not equalized."""


@dataclass(slots=True)
class _Sums:
    signal: float = 0.0
    noise: float = 0.0
    cosine: float = 0.0
    agreed: int = 0
    scores: bool = True

    def add(self, wanted: np.ndarray, found: np.ndarray) -> None:
        x, y = wanted.astype(np.float64).reshape(-1), found.astype(np.float64).reshape(-1)
        signal, noise = float(x @ x), float(np.square(x - y).sum())
        self.signal += signal
        self.noise += noise if np.isfinite(noise) else np.inf
        lengths = np.sqrt(signal * float(y @ y))
        self.cosine += float(x @ y) / float(lengths) if lengths else float(signal == float(y @ y))
        self.scores = self.scores and is_scores(wanted)
        self.agreed += int(self.scores and int(x.argmax()) == int(y.argmax()))

    @property
    def sqnr(self) -> float:
        return decibels(self.signal, self.noise)


def measure(
    original: Model,
    quantized: Model,
    tensors: Iterable[str],
    samples: Samples,
    held_out: bool,
    progress: Progress,
    factors: Mapping[str, np.ndarray],
) -> Fidelity:
    """original: the float model before its last rewrites, whose tensors have the names that the quantized one's have.
    tensors: those that became integers. factors: what the quantized one multiplies their channels by."""
    operators = {output: node.op for node in original.graph.nodes for output in node.outputs}
    inner = {name: integers_of(quantized.graph, name) for name in tensors if name in operators}
    layers = {name: held for name, held in inner.items() if held is not None and name not in original.graph.outputs}
    outputs = list(original.graph.outputs)
    sums = {name: _Sums() for name in (*layers, *outputs)}
    count = 0
    with (
        Runner(original, [*layers, *outputs]) as wanted,
        Runner(quantized, [*layers.values(), *outputs]) as found,
    ):
        for feeds in samples:
            progress(count, 0, "measuring on samples that were held out" if held_out else "measuring")
            exact, given = wanted.run(feeds), found.run(quantized_feeds(quantized, feeds))
            for name in sums:
                held = layers.get(name, name)
                numbers = real_numbers(quantized, held, given[held])
                if numbers.shape == exact[name].shape:
                    sums[name].add(exact[name] * factors.get(name, ONE), numbers)
            count += 1
    return Fidelity(
        count,
        held_out,
        [_output(name, sums[name], count) for name in outputs],
        [LayerFidelity(name, operators[name], sums[name].sqnr) for name in layers if sums[name].signal],
    )


def quantized_feeds(model: Model, feeds: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Of real numbers, what a model takes whose inputs may be integers."""
    from ...runtime.engine.quantized import quantize

    return {
        name: quantize(model, name, array) if model.graph.values[name].quant is not None else array
        for name, array in feeds.items()
    }


def real_numbers(model: Model, name: str, array: np.ndarray) -> np.ndarray:
    """Of a tensor that may be integers, what they stand for."""
    quant = model.graph.values[name].quant
    return array if quant is None else dequantize(array, quant)


def integers_of(graph: Graph, name: str) -> str | None:
    """The value that holds a tensor as integers, of the two names that `emit` gives."""
    for each in (name, f"{name}{INTEGERS}"):
        value = graph.values.get(each)
        if value is not None and value.quant is not None and value.dtype == np.int8:
            return each
    return None


def _output(name: str, sums: _Sums, count: int) -> OutputFidelity:
    agreed = sums.agreed if sums.scores and count else None
    return OutputFidelity(name, sums.sqnr, sums.cosine / max(count, 1), agreed, count)
