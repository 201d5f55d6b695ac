"""Where a quantized model's error enters: of each layer the part that it adds, and the part that it was handed.

A layer's own part is what it makes of the float model's exact tensors with its integer weights and bias and the
rounding of its result. What the running model gives beyond that it inherited from the layers before it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from ...runtime.engine.names import CHANNELS_LAST
from ...runtime.errors import InputError
from ...runtime.fidelity import decibels
from ...runtime.graph import Graph, Node
from ...runtime.model import Model
from ...runtime.ops.integer import dequantize, quantize
from ...runtime.ops.registry import find
from .emit import INTEGERS
from .gate import ONE, quantized_feeds
from .lanes import compute
from .links import by_channel, divided, links
from .running import Runner
from .samples import Feeds

ROUNDED = frozenset({"QuantizeLinear", "Requantize"})
"""What gives the same real numbers, rounded; its own part is what rounding and cutting off lose of a tensor."""
ROUNDING = 0.01
"""Share of the energy of weights that rounding them to 8 bits changes at most, about."""
EXACT = 90.0
"""Decibels from which on a layer in float adds nothing, as sums are rounded in another order by every engine."""
SAME = ROUNDED | {"DequantizeLinear", "Reinterpret"}


@dataclass(frozen=True, slots=True)
class Blame:
    """A tensor of the quantized model that is not computed exactly. name: as the source calls it. layer: what
    `--keep-float` takes, None of an input. own, inherited, total: signal to noise in dB, infinite where there is no
    noise. steps: the root mean square of the own part in steps of the tensor's scale, None where it has none; rounding
    alone makes 0.289."""

    name: str
    operator: str
    layer: str | None
    own: float
    inherited: float
    total: float
    steps: float | None


@dataclass(slots=True)
class _Sums:
    signal: float = 0.0
    own: float = 0.0
    inherited: float = 0.0
    total: float = 0.0
    count: int = 0

    def add(self, exact: np.ndarray, alone: np.ndarray, found: np.ndarray) -> None:
        x, y, z = (array.astype(np.float64).reshape(-1) for array in (exact, alone, found))
        self.signal += float(x @ x)
        self.own += float(np.square(y - x).sum())
        self.inherited += float(np.square(z - y).sum())
        self.total += float(np.square(z - x).sum())
        self.count += x.size


def blame(original: Model, quantized: Model, samples: Iterable[Feeds], progress: Callable[[int], None]) -> list[Blame]:
    """In the order of computation. original: the float model as `prepare` makes it, whose tensors have the names that
    the quantized one's have. InputError where they have none in common."""
    lookup = _Lookup(original.graph, quantized.graph)
    layers = {node.outputs[0]: node for node in quantized.graph.nodes if lookup.is_layer(node)}
    if not layers:
        raise InputError(
            "nothing of the quantized model is found in the float one: no tensor of integers has the name of one of "
            "its tensors. Is it the model that was quantized?"
        )
    factors = lookup.factors()
    sums = {name: _Sums() for name in layers}
    with Runner(original, sorted(lookup.read)) as wanted, Runner(quantized, list(layers)) as found:
        for place, feeds in enumerate(samples):
            progress(place)
            given = found.run(quantized_feeds(quantized, feeds))
            exact = {name: array * factors.get(name, ONE) for name, array in wanted.run(feeds).items()}
            for name, node in layers.items():
                quant = quantized.graph.values[name].quant
                numbers = given[name] if quant is None else dequantize(given[name], quant)
                alone = lookup.alone(node, exact)
                if numbers.shape == alone.shape:
                    sums[name].add(exact[lookup.tensor(name)], alone, numbers)
    found_all = [lookup.described(layers[name], each) for name, each in sums.items() if each.signal]
    return [each for each in found_all if each.steps is not None or each.own < EXACT]


class _Lookup:
    """What the quantized graph's tensors are in the float graph. read: those that are asked for."""

    def __init__(self, original: Graph, quantized: Graph) -> None:
        self._original, self._quantized = original, quantized
        self._producers = quantized.producers()
        self._layers = {output: node for node in original.nodes for output in node.outputs}
        self._constants: dict[str, np.ndarray | None] = {}
        self.read: set[str] = set()
        self._products = {self.tensor(name): node for name, node in self._producers.items() if node.op not in SAME}

    def tensor(self, name: str) -> str:
        """The float graph's name of what a value stands for, or nothing."""
        for each in (name, name.removesuffix(INTEGERS)):
            if each in self._layers or each in self._original.inputs:
                return each
        producer = self._producers.get(name)
        return self.tensor(producer.inputs[0]) if producer is not None and producer.op in SAME else ""

    def is_layer(self, node: Node) -> bool:
        """Whether a node may add an error, which then can be told apart."""
        op = find(node.op)
        if op is None or len(node.outputs) != 1 or node.op in SAME - ROUNDED:
            return False
        name = node.outputs[0]
        quant = self._quantized.values[name].quant
        if quant is None:
            exact = op.macs is None and not any(self._is_rounded(each) for each in node.inputs)
        else:
            read = [self._quantized.values[each].quant for each in node.inputs if each]
            exact = op.moves_data and all(each in (None, quant) for each in read)
        if exact or not self.tensor(name):
            return False
        sources = [self._sources(each) for each in node.inputs if each]
        if None in sources:
            return False
        self.read |= {self.tensor(name)}.union(*(each for each in sources if each is not None))
        return True

    def _sources(self, name: str) -> set[str] | None:
        """The float graph's tensors that a value's exact numbers are made of; None where they are not there."""
        if self._constant(name) is not None:
            return set()
        if self.tensor(name):
            return {self.tensor(name)}
        producer = self._producers.get(name)
        op = None if producer is None else find(producer.op)
        if producer is None or op is None or not op.moves_data:
            return None
        found = [self._sources(each) for each in producer.inputs if each]
        return None if None in found else set().union(*(each for each in found if each is not None))

    def alone(self, node: Node, exact: Mapping[str, np.ndarray]) -> np.ndarray:
        """What the node makes of exact tensors, as real numbers."""
        name = node.outputs[0]
        value = self._quantized.values[name]
        inputs = [self._exact(each, exact) for each in node.inputs]
        made = inputs[0] if node.op in ROUNDED else compute(node, inputs)[0]
        assert made is not None
        return made if value.quant is None else dequantize(quantize(made, value.quant, value.dtype), value.quant)

    def factors(self) -> dict[str, np.ndarray]:
        """By tensor of the float graph, what equalization multiplied its channels by: the powers of two by which the
        weights that make it are larger than the float model's, where those that read it are as much smaller."""
        found: dict[str, np.ndarray] = {}
        for link in links(self._original):
            nodes = [link.maker, *(reader.node for reader in link.readers)]
            pairs = [self._weights(node) for node in nodes]
            weights = [pair for pair in pairs if pair is not None]
            if len(weights) < len(pairs):
                continue
            made = _exponents(link.maker, *weights[0], reading=False)
            read = _exponents(link.readers[0].node, *weights[1], reading=True)
            factor = np.exp2(np.where(np.isnan(made), np.where(np.isnan(read), 0, -read), made)).astype(np.float32)
            expected = [divided(node, pair[0], factor) for node, pair in zip(nodes[1:], weights[1:], strict=True)]
            if all(_alike(each, pair[1]) for each, pair in zip(expected, weights[1:], strict=True)):
                found |= dict.fromkeys(link.tensors, factor)
        return found

    def _weights(self, node: Node) -> tuple[np.ndarray, np.ndarray] | None:
        """A product's weights in the float graph, and what they are in the quantized one."""
        other, w = self._products.get(node.outputs[0]), self._original.constant(node.inputs[1])
        found = None if other is None or other.op != node.op else self._constant(other.inputs[1])
        return None if w is None or found is None or found.shape != w.shape else (w, found)

    def described(self, node: Node, sums: _Sums) -> Blame:
        name = node.outputs[0]
        quant, tensor = self._quantized.values[name].quant, self.tensor(name)
        layer = self._layers.get(tensor)
        steps = None
        if quant is not None and quant.scale.size == 1:
            steps = float(np.sqrt(sums.own / sums.count) / quant.scale[0])
        return Blame(
            name=_plain(tensor),
            operator=node.op if layer is None or node.op not in ROUNDED else layer.op,
            layer=None if layer is None else layer.name or layer.outputs[0],
            own=decibels(sums.signal, sums.own),
            inherited=decibels(sums.signal, sums.inherited),
            total=decibels(sums.signal, sums.total),
            steps=steps,
        )

    def _exact(self, name: str, exact: Mapping[str, np.ndarray]) -> np.ndarray | None:
        if not name:
            return None
        constant, tensor = self._constant(name), self.tensor(name)
        if constant is not None:
            return constant
        if tensor:
            return exact[tensor]
        producer = self._producers[name]
        return compute(producer, [self._exact(each, exact) for each in producer.inputs])[producer.outputs.index(name)]

    def _constant(self, name: str) -> np.ndarray | None:
        """A constant's real numbers, also where a node makes them of constants."""
        if name not in self._constants:
            self._constants[name] = self._compute_constant(name)
        return self._constants[name]

    def _compute_constant(self, name: str) -> np.ndarray | None:
        value, producer = self._quantized.values[name], self._producers.get(name)
        if value.data is not None:
            return value.data if value.quant is None else dequantize(value.data, value.quant)
        if producer is None or not producer.inputs:
            return None
        if producer.op in SAME:
            return self._constant(producer.inputs[0])
        given = [self._constant(each) if each else None for each in producer.inputs]
        if any(array is None and each for array, each in zip(given, producer.inputs, strict=True)):
            return None
        return compute(producer, given)[producer.outputs.index(name)]

    def _is_rounded(self, name: str) -> bool:
        """Whether a constant operand was rounded to integers."""
        producer = self._producers.get(name)
        return (
            bool(name)
            and producer is not None
            and producer.op == "DequantizeLinear"
            and self._quantized.values[producer.inputs[0]].data is not None
        )


def _plain(tensor: str) -> str:
    parts = CHANNELS_LAST.fullmatch(tensor)
    return parts[1] if parts is not None else tensor


def _exponents(node: Node, w: np.ndarray, found: np.ndarray, reading: bool) -> np.ndarray:
    """Of two, by which the weights for each channel are larger than w; NaN where there are none."""
    before, after = (by_channel(node, array, reading) for array in (w, found))
    usable = (before > 0) & (after > 0)
    return np.where(usable, np.rint(np.log2(np.where(usable, after, 1) / np.where(usable, before, 1))), np.nan)


def _alike(wanted: np.ndarray, found: np.ndarray) -> bool:
    """Whether they differ by no more than rounding to integers explains."""
    return float(np.square(found - wanted).sum()) <= ROUNDING * float(np.square(wanted).sum())
