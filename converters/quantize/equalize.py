"""Channels of one tensor brought to like ranges, so that one scale suits them all: cross-layer equalization.

What makes a tensor is multiplied by a factor for each channel, and what reads it divided, between which nothing but
functions that a positive factor passes through (Nagel et al., arXiv 1906.04721, section 4.1). Weights have a scale for
each output here, so that only the tensor's channels and the weights' columns for them compete for range. Factors are
powers of two: the float model stays what it was, bit for bit. They are taken where the readers' outputs lose less by
them, measured on samples.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from ...runtime.graph import Graph, Node
from .lanes import compute
from .links import Link, divided, links, multiplied
from .prepare import copied
from .products import bias_of, without_activation
from .ranges import quantization, rounded
from .weights import nearest

SHARES = (1.0, 0.5)
"""How much of a factor the tensor's ranges decide; the rest is the weights'."""
LARGEST = 20
"""A factor is at most two to this power."""
GAIN = 0.9
"""Share of the loss that a factor has to come below to be taken."""


@dataclass(frozen=True, slots=True)
class Equalized:
    """graph: with other weights, and the same outputs. factors: by tensor, what its channels are multiplied by."""

    graph: Graph
    factors: Mapping[str, np.ndarray] = field(default_factory=dict)


def equalize(graph: Graph, tensors: Mapping[str, Sequence[np.ndarray]]) -> Equalized:
    """graph: the float one, which is not changed. tensors: samples of what every `Link` begins with, by name."""
    made = copied(graph)
    factors: dict[str, np.ndarray] = {}
    for link in links(graph):
        found = best_factor(made, link, tensors[link.tensor])
        if found is None:
            continue
        _scale(made, link, found)
        factors |= dict.fromkeys(link.tensors, found)
    return Equalized(made, factors) if factors else Equalized(graph)


def best_factor(graph: Graph, link: Link, samples: Sequence[np.ndarray]) -> np.ndarray | None:
    """Of the factors that even the tensor out, the one by which the readers lose least; None where none does better."""
    reach = np.max([np.abs(x).reshape(-1, x.shape[-1]).max(0) for x in samples], axis=0)
    best, least = None, GAIN * _loss(graph, link, samples, np.ones_like(reach))
    tried: list[np.ndarray] = []
    for share in SHARES:
        factor = _even(reach, _columns(graph, link), share)
        if any(np.array_equal(factor, each) for each in (np.ones_like(factor), *tried)):
            continue
        tried.append(factor)
        loss = _loss(graph, link, samples, factor)
        if loss < least:
            best, least = factor, loss
    return best


def _even(reach: np.ndarray, columns: np.ndarray | None, share: float) -> np.ndarray:
    """Powers of two. reach: of the channels. columns: of the weights that read them, None where each has a scale."""
    if columns is None:
        columns = np.ones_like(reach)
        share = 1.0
    usable = (reach > 0) & (columns > 0)
    if not usable.any():
        return np.ones_like(reach)
    with np.errstate(divide="ignore"):
        exponents = (1 - share) * np.log2(columns) - share * np.log2(reach)
    # The widest channel stays as wide as it was, by which sums elsewhere keep their size.
    exponents = exponents - np.where(usable, exponents + np.log2(np.where(usable, reach, 1)), -np.inf).max()
    exponents += np.log2(reach.max())
    return np.where(usable, np.exp2(np.clip(np.rint(np.where(usable, exponents, 0)), -LARGEST, LARGEST)), 1).astype(
        np.float32
    )


def _columns(graph: Graph, link: Link) -> np.ndarray | None:
    """How large the weights of each channel are beside the largest of the same output; None where all readers are
    depthwise, whose channels have scales of their own."""
    found = [part for reader in link.readers if (part := reader.columns(graph)) is not None]
    return None if not found else np.max(found, axis=0)


def _loss(graph: Graph, link: Link, samples: Sequence[np.ndarray], factor: np.ndarray) -> float:
    """What rounding the tensor and the readers' weights, both with the factor, costs their outputs: squared error over
    squared output, summed over the readers."""
    scaled = [x * factor for x in samples]
    quant = quantization((min(float(x.min()) for x in scaled), max(float(x.max()) for x in scaled)))
    total = 0.0
    for reader in link.readers:
        w, plain = graph.constant(reader.node.inputs[1]), without_activation(reader.node)
        assert w is not None
        coarse = nearest(plain, divided(plain, w, factor), bias_of(graph, reader.node), None).real()
        error = power = 0.0
        for x, y in zip(samples, scaled, strict=True):
            exact = compute(plain, [_through(graph, reader.between, x), w, None])[0]
            given = compute(plain, [_through(graph, reader.between, rounded(y, quant)), coarse, None])[0]
            error += float(np.square(given - exact, dtype=np.float64).sum())
            power += float(np.square(exact, dtype=np.float64).sum())
        total += error / power if power else 0.0
    return total


def _through(graph: Graph, nodes: Sequence[Node], x: np.ndarray) -> np.ndarray:
    for node in nodes:
        x = compute(node, [x, *(graph.constant(name) if name else None for name in node.inputs[1:])])[0]
    return x


def _scale(graph: Graph, link: Link, factor: np.ndarray) -> None:
    """Writes the factor into the weights, which no other node then reads."""
    node = next(each for each in graph.nodes if each.outputs == link.maker.outputs)
    w, bias = graph.constant(node.inputs[1]), bias_of(graph, node)
    assert w is not None
    node.inputs[1] = graph.add_constant(node.inputs[1], multiplied(node, w, factor))
    if bias is not None:
        node.inputs[2] = graph.add_constant(node.inputs[2], bias * factor)
    for reader in link.readers:
        node = next(each for each in graph.nodes if each.outputs == reader.node.outputs)
        w = graph.constant(node.inputs[1])
        assert w is not None
        node.inputs[1] = graph.add_constant(node.inputs[1], divided(node, w, factor))
