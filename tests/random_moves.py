"""Nodes that move elements of any dtype, for random graphs."""

from __future__ import annotations

from typing import Any

import numpy as np
from random_graph import Known, RandomGraph


def any_value(known: Known) -> bool:
    return known.data.ndim > 0 and known.data.size > 0


def moved(
    graph: RandomGraph,
    op: str,
    x: Known,
    *inputs: Known | None,
    outputs: int = 1,
    exact: bool | None = None,
    **attrs: Any,
) -> None:
    """What was known of the numbers is known of the moved ones."""
    for made in graph.add(op, x, *inputs, outputs=outputs, exact=x.exact if exact is None else exact, **attrs):
        if x.name in graph.parameters:
            graph.parameters[made.name] = graph.parameters[x.name]


def reshape(graph: RandomGraph) -> None:
    x = graph.pick(any_value)
    if graph.rng.random() < 0.3:
        moved(graph, "Flatten", x, axis=int(graph.rng.integers(0, x.data.ndim + 1)))
        return
    sizes = list(x.data.shape)
    if len(sizes) > 1 and graph.rng.random() < 0.6:
        at = int(graph.rng.integers(len(sizes) - 1))
        sizes[at : at + 2] = [sizes[at] * sizes[at + 1]]
    else:
        sizes.insert(int(graph.rng.integers(len(sizes) + 1)), 1)
    if graph.rng.random() < 0.5:
        sizes[int(graph.rng.integers(len(sizes)))] = -1
    if len(sizes) <= 5:
        moved(graph, "Reshape", x, graph.constant(sizes, np.int64))


def transpose(graph: RandomGraph) -> None:
    x = graph.pick(any_value)
    moved(graph, "Transpose", x, perm=[int(axis) for axis in graph.rng.permutation(x.data.ndim)])


def cut(graph: RandomGraph) -> None:
    x = graph.pick(any_value)
    axis = int(graph.rng.integers(x.data.ndim))
    size = x.data.shape[axis]
    start = int(graph.rng.integers(0, size))
    numbers = ([start], [int(graph.rng.integers(start + 1, size + 1))], [axis], [int(graph.rng.integers(1, 3))])
    moved(graph, "Slice", x, *(graph.constant(n, np.int64) for n in numbers))


def gather(graph: RandomGraph) -> None:
    x = graph.pick(any_value)
    axis = int(graph.rng.integers(x.data.ndim))
    places = graph.rng.integers(0, x.data.shape[axis], int(graph.rng.integers(1, 4)))
    moved(graph, "Gather", x, graph.constant(places, np.int64), axis=axis)


def split(graph: RandomGraph) -> None:
    x = graph.pick(lambda known: any_value(known) and max(known.data.shape) > 1)
    axis = int(np.argmax(x.data.shape))
    first = int(graph.rng.integers(1, x.data.shape[axis]))
    sizes = graph.constant([first, x.data.shape[axis] - first], np.int64)
    moved(graph, "Split", x, sizes, outputs=2, axis=axis)


def concat(graph: RandomGraph) -> None:
    x = graph.pick(any_value)
    axis = int(graph.rng.integers(x.data.ndim))

    def fits(known: Known) -> bool:
        shapes = [list(data.shape) for data in (known.data, x.data)]
        if known.data.ndim != x.data.ndim or known.data.dtype != x.data.dtype:
            return False
        for shape in shapes:
            shape[axis] = 0
        return shapes[0] == shapes[1]

    y = graph.pick(fits)
    if graph.rng.random() < 0.3:
        y = graph.constant(np.flip(y.data, axis).copy())
    pair = (x, y) if graph.rng.random() < 0.5 else (y, x)
    moved(graph, "Concat", pair[0], pair[1], axis=axis, exact=x.exact and y.exact)


def pad(graph: RandomGraph) -> None:
    x = graph.pick(any_value)
    rank = x.data.ndim
    pads = graph.constant(graph.rng.integers(0, 2, 2 * rank), np.int64)
    mode = graph.choice(("constant", "constant", "edge"))
    value = graph.constant(graph.choice((0, 1, 5)), x.data.dtype) if graph.rng.random() < 0.5 else None
    moved(graph, "Pad", x, pads, value, mode=mode)


def tile(graph: RandomGraph) -> None:
    x = graph.pick(any_value)
    moved(graph, "Tile", x, graph.constant(graph.rng.integers(1, 3, x.data.ndim), np.int64))


def expand(graph: RandomGraph) -> None:
    x = graph.pick(any_value)
    sizes = [int(graph.rng.integers(1, 4)) if size == 1 else size for size in x.data.shape]
    moved(graph, "Expand", x, graph.constant(sizes, np.int64))


def squeeze(graph: RandomGraph) -> None:
    x = graph.pick(lambda known: 1 in known.data.shape and known.data.ndim > 1)
    moved(graph, "Squeeze", x, graph.constant([x.data.shape.index(1)], np.int64))


FAMILIES = (reshape, transpose, transpose, cut, gather, split, concat, pad, tile, expand, squeeze)
