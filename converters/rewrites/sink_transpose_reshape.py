"""A Transpose moves past a Reshape that splits, merges, adds or drops dimensions without mixing what it permutes."""

from __future__ import annotations

from ...runtime.graph import Dim, Node
from .framework.indexed import IndexedGraph, Shape
from .framework.patch import Patch
from .framework.permutation import Perm, permuted, transpose, transposed_from
from .framework.reshape_target import target_for
from .framework.rewriter import rewrite_of

Groups = list[tuple[list[int], list[int]]]
"""For each run of input axes the run of output axes that holds the same elements in the same order."""


@rewrite_of("Reshape")
def sink_transpose_below_reshape(graph: IndexedGraph, node: Node) -> Patch | None:
    source = transposed_from(graph, node.inputs[0])
    before, after = graph.shape(node.inputs[0]), graph.shape(node.outputs[0])
    quant = graph.quant(node.outputs[0])
    if source is None or before is None or after is None or (quant is not None and quant.axis is not None):
        return None
    x, perm = source
    moved = reorder(before, after, perm)
    shape = graph.shape(x)
    if moved is None or shape is None:
        return None
    target, back = moved
    sizes = target_for(shape, target)
    if sizes is None:
        return None
    patch, result = Patch(graph, [node]), node.outputs[0]
    inner = patch.node("Reshape", [x, patch.ints(f"{result}.shape", sizes)], hint=result, shape=target, quant=quant)
    transpose(patch, inner, back, result)
    return patch


def reorder(before: Shape, after: Shape, perm: Perm) -> tuple[Shape, Perm] | None:
    """(shape, permutation): reshaping the Transpose's input to shape and permuting that gives the same as reshaping its
    output, of shape `before`, to `after`."""
    groups = regroup(before, after)
    if groups is None:
        return None
    rank_of = {axis: place for place, axis in enumerate(sorted(axis for axis in perm if before[perm.index(axis)] != 1))}
    starts = []
    for inputs, _ in groups:
        places = [rank_of[perm[axis]] for axis in inputs]
        if places != list(range(places[0], places[0] + len(places))):
            return None
        starts.append(places[0])
    order = sorted(range(len(groups)), key=lambda index: starts[index])
    leading, runs = _with_ones(after, groups)
    axes = leading + [axis for index in order for axis in runs[index]]
    return permuted(after, tuple(axes)) or (), tuple(axes.index(axis) for axis in range(len(after)))


def _with_ones(after: Shape, groups: Groups) -> tuple[list[int], list[list[int]]]:
    """Leading output axes of size 1, and each group's output axes followed by the axes of size 1 behind them."""
    leading: list[int] = []
    runs: list[list[int]] = [[] for _ in groups]
    owner = {axis: index for index, (_, outputs) in enumerate(groups) for axis in outputs}
    current: list[int] = leading
    for axis in range(len(after)):
        if axis in owner:
            current = runs[owner[axis]]
        current.append(axis)
    return leading, runs


def regroup(before: Shape, after: Shape) -> Groups | None:
    """The finest groups of dimensions other than 1 whose sizes agree. What cannot be compared, as a size is unknown,
    makes one group. None where nothing is left on one side only."""
    a = [axis for axis, dim in enumerate(before) if dim != 1]
    b = [axis for axis, dim in enumerate(after) if dim != 1]
    head, i, j = _match([before[axis] for axis in a], [after[axis] for axis in b])
    groups = [(a[m:n], b[p:q]) for m, n, p, q in head]
    a, b = a[i:], b[j:]
    tail, i, j = _match([before[axis] for axis in a[::-1]], [after[axis] for axis in b[::-1]])
    ends = [(a[len(a) - n : len(a) - m], b[len(b) - q : len(b) - p]) for m, n, p, q in tail][::-1]
    middle = a[: len(a) - i], b[: len(b) - j]
    if bool(middle[0]) != bool(middle[1]):
        return None
    return groups + ([middle] if middle[0] else []) + ends


def _match(a: list[Dim], b: list[Dim]) -> tuple[list[tuple[int, int, int, int]], int, int]:
    """Groups (a from, to, b from, to) from the front as far as sizes are known to agree, and how far that is."""
    groups: list[tuple[int, int, int, int]] = []
    i = j = 0
    while i < len(a) and j < len(b):
        ends = _group(a[i:], b[j:])
        if ends is None:
            break
        groups.append((i, i + ends[0], j, j + ends[1]))
        i, j = i + ends[0], j + ends[1]
    return groups, i, j


def _group(a: list[Dim], b: list[Dim]) -> tuple[int, int] | None:
    """How many of the first dimensions of each make the first group; None where that cannot be known."""
    if a[0] == b[0]:
        return 1, 1
    left, right, m, n = 1, 1, 0, 0
    while left != right or m == 0:
        dim = (a[m] if m < len(a) else None) if left <= right else (b[n] if n < len(b) else None)
        if not isinstance(dim, int):
            return None
        if left <= right:
            left, m = left * dim, m + 1
        else:
            right, n = right * dim, n + 1
    return (m, n) if n else None
