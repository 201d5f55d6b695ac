"""Symbolic shapes from an operator's own `infer`: asked with numbers for the symbols, several times.

A dimension that is the same number every time is a number; one that always is what stands for a symbol is the symbol;
of any other nothing is known but that it is there.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from ....runtime.errors import ModelError
from ....runtime.graph import Dim, Node
from ....runtime.ops.inference import infer_shapes
from ....runtime.ops.registry import Tensor
from .indexed import IndexedGraph, Shape

Numbers = dict[str, int]

PRIMES = (
    (2, 3, 5, 7, 11, 13, 17, 19, 23, 29),
    (1009, 1013, 1019, 1021, 1031, 1033, 1039, 1049, 1051, 1061),
    (2003, 2011, 2017, 2027, 2029, 2039, 2053, 2063, 2069, 2081),
)
"""What stands for the symbols: few things are of these sizes by accident, and least of all of several of them."""


SMALL = {1, 2, 3}


def probed(graph: IndexedGraph, node: Node) -> list[Shape | None]:
    """Shapes of the node's outputs; none where an input's rank is unknown or `infer` needs what is not constant."""
    names = [name for name in node.inputs if name]
    shapes = [graph.shape(name) for name in names]
    known = [shape for shape in shapes if shape is not None]
    if len(known) != len(shapes):
        return []
    symbols = list(dict.fromkeys(dim for shape in known for dim in shape if isinstance(dim, str)))
    asked = [(numbers, _infer(graph, node, numbers)) for numbers in _different(symbols)]
    answers = [(numbers, found) for numbers, found in asked if found]
    if len(answers) > 1:
        return [_merged(graph, node, index, answers) for index in range(len(node.outputs))]
    # Some of the symbols must be of one size, or of a size that is a number elsewhere: then only ranks can be told, and
    # only where they are not what the size decides.
    sizes = {dim for shape in known for dim in shape if isinstance(dim, int)} | SMALL
    tried = [found for size in sorted(sizes) if (found := _infer(graph, node, dict.fromkeys(symbols, size)))]
    ranks = {tuple(map(len, found)) for found in tried}
    if len(ranks) != 1:
        return []
    return [tuple(_fresh(graph, node, index, axis) for axis in range(rank)) for index, rank in enumerate(ranks.pop())]


def _different(symbols: Sequence[str]) -> Iterator[Numbers]:
    for primes in PRIMES:
        if len(symbols) <= len(primes):
            yield dict(zip(symbols, primes, strict=False))


def _infer(graph: IndexedGraph, node: Node, numbers: Numbers) -> list[tuple[int, ...]]:
    """The outputs' shapes where the symbols are these numbers; none where `infer` refuses."""
    tensors: list[Tensor | None] = []
    for name in node.inputs:
        value = graph.value(name) if name else None
        if value is None or value.shape is None:
            tensors.append(None)
            continue
        shape = tuple(numbers[dim] if isinstance(dim, str) else dim for dim in value.shape)
        tensors.append(Tensor(name, shape, value.dtype, value.quant, value.data))
    try:
        return infer_shapes(node, tensors)
    except ModelError:
        return []


def _merged(
    graph: IndexedGraph, node: Node, index: int, answers: Sequence[tuple[Numbers, list[tuple[int, ...]]]]
) -> Shape | None:
    """What all answers say of one output."""
    if any(index >= len(found) for _, found in answers):
        return None
    shapes = [found[index] for _, found in answers]
    if len({len(shape) for shape in shapes}) != 1:
        return None
    merged: list[Dim] = []
    for axis, sizes in enumerate(zip(*shapes, strict=True)):
        symbols = [
            symbol
            for symbol in answers[0][0]
            if all(size == numbers[symbol] for size, (numbers, _) in zip(sizes, answers, strict=True))
        ]
        number = sizes[0] if len(set(sizes)) == 1 else None
        merged.append(symbols[0] if symbols else _fresh(graph, node, index, axis) if number is None else number)
    return tuple(merged)


def _fresh(graph: IndexedGraph, node: Node, index: int, axis: int) -> str:
    return graph.symbols.name(f"{node.outputs[index]}[{axis}]")
