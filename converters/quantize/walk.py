"""Ranges, rounding and biases decided layer by layer, each knowing what the layers before it really give.

The float graph and the quantized one run side by side on some of the samples. At each product its weights are rounded
for what it reads in the quantized graph, and its bias then takes up the mean of what is still lost (full, sequential
bias correction); at each tensor that becomes integers, of the ranges that the methods say the one is taken that loses
least in what is computed from it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import islice

import numpy as np

from ...runtime.graph import Graph, Node, Quantization
from ...runtime.ops import activation
from .decisions import Decisions
from .histogram import Histogram
from .lanes import Lanes, compute
from .plan import Plan
from .products import bias_of, has_matrix, is_product, matrix, rows, without_activation
from .products import weights as unfold
from .ranges import candidates, quantization, rounded, squared_error
from .rounding import MOST_WORK, Moments, best_rounding, work
from .simple import round_constants, x_scale
from .spool import Batch
from .weights import LARGEST, IntegerWeights, nearest, spread

TRIED = 8
"""Samples on which the ranges of a tensor are compared."""
TOLERATED = 1.25
"""A range that cuts numbers off may have so many times the least squared error over all samples: those that are tried
may lack what it cuts off."""
ENOUGH = 8
"""Samples from which on rounding is fitted to them."""
CHECKED = 4
"""Every so many of the samples tell whether the fitted rounding is better, and fit nothing."""

Progress = Callable[[int, int, str], None]


class Walk:
    """One pass through the graph; `decide` gives what it found."""

    def __init__(
        self,
        graph: Graph,
        plan: Plan,
        histograms: Mapping[str, Histogram],
        feeds: Iterable[Mapping[str, np.ndarray]],
        method: str,
    ) -> None:
        self._graph, self._plan, self._histograms, self._method = graph, plan, histograms, method
        self._lanes = Lanes(graph, feeds)
        self._decisions = Decisions()
        self._consumers = graph.consumers()

    def decide(self, progress: Progress) -> Decisions:
        for name in self._graph.inputs:
            self._round(name)
        total = len(self._graph.nodes)
        for place, node in enumerate(self._graph.nodes):
            progress(place, total, str(node))
            self._visit(node)
            for name in node.outputs:
                self._round(name)
            self._lanes.release(node)
        progress(total, total, "")
        return self._decisions

    def _visit(self, node: Node) -> None:
        name, plan = node.outputs[0], self._plan
        if is_product(self._graph, node) and name in plan.integer | plan.weights_only:
            self._product(node)
            return
        round_constants(self._graph, plan, node, self._decisions)
        integer = name in plan.integer
        replaced = self._decisions.constants if integer or name in plan.weights_only else {}
        constants = {each: replaced[each].real() for each in node.inputs if each in replaced}
        self._lanes.run(node, integer, constants)

    def _product(self, node: Node) -> None:
        graph, lanes, name = self._graph, self._lanes, node.outputs[0]
        w, bias = graph.constant(node.inputs[1]), bias_of(graph, node)
        assert w is not None
        wanted, found = lanes.wanted[node.inputs[0]], lanes.read_found(node.inputs[0], name in self._plan.integer)
        assert isinstance(found, Batch)
        chosen = self._weights(node, w, bias, wanted, found)
        self._decisions.weights[name] = chosen
        plain = without_activation(node)
        exact, given, lacking = Batch(), Batch(), Means()
        for (y,), (z,) in zip(
            lanes.compute(plain, [wanted, w, bias]), lanes.compute(plain, [found, chosen.real(), bias]), strict=True
        ):
            exact.add(_active(node, y))
            given.add(z)
            lacking.add(y - z)
        correction = lacking.believed()
        self._decisions.biases[name] = correction if bias is None else bias + correction
        lanes.wanted[name] = exact
        lanes.store(lanes.found, node, ([_active(node, z + correction)] for z in given))

    def _weights(
        self, node: Node, w: np.ndarray, bias: np.ndarray | None, wanted: Batch, found: Batch
    ) -> IntegerWeights:
        plainly = nearest(node, w, bias, x_scale(self._plan, self._decisions, node))
        if len(found) < ENOUGH or not has_matrix(node, w):
            return plainly
        folded = matrix(node, w)
        groups, outputs, inputs = folded.shape
        if work(groups, outputs, inputs) > MOST_WORK:
            return plainly
        fitting, checking = Moments.zeros(groups, inputs), Moments.zeros(groups, inputs)
        for place, (x, y) in enumerate(zip(found, wanted, strict=True)):
            seen = rows(node, x, w)
            moments = checking if place % CHECKED == CHECKED - 1 else fitting
            moments.add(seen, seen if x is y else rows(node, y, w))
        scale = matrix(node, np.broadcast_to(spread(plainly.scale, plainly.axis, w.ndim), w.shape))[..., :1]
        before = matrix(node, plainly.data).astype(np.float64)
        after = best_rounding(folded, scale, fitting, LARGEST)
        better = _loss(after * scale, folded, checking) < _loss(before * scale, folded, checking)
        steps = np.where(better[..., None], after, before).astype(np.int8)
        return IntegerWeights(unfold(node, steps, w.shape), plainly.scale, plainly.axis)

    def _round(self, name: str) -> None:
        """Decides a tensor's range, and rounds it in the quantized lane."""
        if name not in self._plan.rounded:
            return
        lanes = self._lanes
        quant = self._decisions.quants.get(self._plan.carried.get(name, name)) or self._range(name)
        self._decisions.quants[name] = quant
        numbers = Batch()
        for array in lanes.found[name]:
            numbers.add(rounded(array, quant))
        if self._plan.rounded[name]:
            lanes.rounded[name] = numbers
        else:
            lanes.found[name] = numbers

    def _range(self, name: str) -> Quantization:
        histogram = self._histograms[name]
        choices = [quantization(limits) for limits in candidates(histogram, self._method)]
        overall = [squared_error(histogram, quant) for quant in choices]
        readers = [
            node
            for node in self._consumers.get(name, [])
            if node.inputs[0] == name and node.outputs[0] in self._plan.integer and is_product(self._graph, node)
        ]
        if len(choices) == 1 or not readers:
            return choices[int(np.argmin(overall))]
        # The first takes in all numbers, and may be right where a few large ones matter.
        able = [choices[0], *(q for q, loss in zip(choices[1:], overall[1:], strict=True)
                              if loss <= TOLERATED * min(overall))]  # fmt: skip
        exact = list(islice(self._lanes.found[name], TRIED))
        power = [self._effect(node, exact) for node in readers]
        losses = []
        for quant in able:
            errors = [rounded(array, quant) - array for array in exact]
            loss = [self._effect(node, errors) / (p or 1) for node, p in zip(readers, power, strict=True)]
            losses.append(sum(loss))
        return able[int(np.argmin(losses))]

    def _effect(self, node: Node, numbers: Iterable[np.ndarray]) -> float:
        """Energy of what a product's weights make of the numbers."""
        plain = without_activation(node)
        found = (compute(plain, [x, self._graph.constant(node.inputs[1]), None])[0] for x in numbers)
        return sum(float(np.square(y, dtype=np.float64).sum()) for y in found)


class Means:
    """Of each sample, the mean over all but the channels."""

    def __init__(self) -> None:
        self._found: list[np.ndarray] = []

    def add(self, array: np.ndarray) -> None:
        self._found.append(array.reshape(-1, array.shape[-1]).mean(0, dtype=np.float64))

    def believed(self) -> np.ndarray:
        """float32 per channel: the mean, less what it owes to chance: with few samples, whose means scatter, little
        of it is believed."""
        mean = np.mean(self._found, axis=0)
        if len(self._found) < 2:
            return mean.astype(np.float32)
        doubt = np.var(self._found, axis=0, ddof=1) / len(self._found)
        power = np.square(mean)
        return (mean * np.maximum(0, 1 - doubt / np.where(power > 0, power, 1))).astype(np.float32)


def _active(node: Node, y: np.ndarray) -> np.ndarray:
    found = activation.apply(y, node.attrs.get("activation"), node.attrs.get("activation_params", ()))
    return found.astype(y.dtype, copy=False)


def _loss(w: np.ndarray, exact: np.ndarray, moments: Moments) -> np.ndarray:
    """(groups, outputs): squared error of the outputs, but for what all weights have in common."""
    square, cross = moments.centred()
    return ((w @ square - 2 * exact @ cross.transpose(0, 2, 1)) * w).sum(-1)
