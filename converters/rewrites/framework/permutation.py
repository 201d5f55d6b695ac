"""Transposes as permutations. perm[i] is the input's axis that becomes the output's axis i, as in ONNX."""

from __future__ import annotations

from collections.abc import Sequence

from ....runtime.graph import Attribute, Node, Quantization
from ....runtime.ops.registry import find
from .constants import concrete, is_fixed
from .indexed import IndexedGraph, Shape
from .patch import Patch
from .reshape_target import significant, target_for

Perm = tuple[int, ...]
CHANNELS_LAST = ".channels_last"
LOOK_AHEAD = 6


def perm_of(graph: IndexedGraph, node: Node) -> Perm | None:
    """The Transpose's permutation; None where it reverses a tensor of unknown rank."""
    perm = node.attrs.get("perm")
    if perm:
        return tuple(perm)
    rank = graph.rank(node.inputs[0])
    return None if rank is None else tuple(range(rank))[::-1]


def inverse(perm: Perm) -> Perm:
    return tuple(perm.index(axis) for axis in range(len(perm)))


def permuted(shape: Shape | None, perm: Perm) -> Shape | None:
    return None if shape is None else tuple(shape[axis] for axis in perm)


def transposed_from(graph: IndexedGraph, name: str) -> tuple[str, Perm] | None:
    """(x, perm) where name is Transpose(x, perm) of this graph."""
    node = graph.producer_of(name, "Transpose")
    perm = None if node is None else perm_of(graph, node)
    return None if node is None or perm is None else (node.inputs[0], perm)


def transpose(patch: Patch, name: str, perm: Perm, output: str | None = None, quant: Quantization | None = None) -> str:
    """Adds Transpose(name, perm), which becomes output where that is given."""
    source = patch.lookup(name)
    return patch.node(
        "Transpose", [name], {"perm": list(perm)}, output=output, quant=quant or permute_quant(source.quant, perm)
    )


def sink(patch: Patch, op: str, inputs: list[str], attrs: dict[str, Attribute], result: str, perm: Perm) -> Patch:
    """Adds op on the given inputs, of which the value `result` becomes the Transpose by perm."""
    value, back = patch.lookup(result), inverse(perm)
    shape, quant = permuted(value.shape, back), permute_quant(value.quant, back)
    hint = channels_last_name(result) if perm == to_channels_first(len(perm)) else result
    inner = patch.node(op, inputs, attrs, hint=hint, dtype=value.dtype, shape=shape, quant=quant)
    transpose(patch, inner, perm, result)
    return patch


def to_channels_first(rank: int) -> Perm:
    return (0, rank - 1, *range(1, rank - 1))


def channels_last_name(name: str) -> str:
    """What a tensor that the source has channels-first is called once it is channels-last."""
    return f"{name.removesuffix(CHANNELS_LAST)}{CHANNELS_LAST}"


def permute_quant(quant: Quantization | None, perm: Perm) -> Quantization | None:
    """The quantization of the permuted tensor."""
    if quant is None or quant.axis is None:
        return quant
    return Quantization(quant.scale, quant.zero_point, perm.index(quant.axis % len(perm)))


def operand(patch: Patch, name: str, perm: Perm, *, constants: bool = True) -> str | None:
    """An operand of an elementwise operator for the operator to work on x instead of Transpose(x, perm).

    That is: what lies behind the same Transpose; a constant, permuted; a tensor of one element as it is; or a tensor in
    which only dimensions of size 1 have to move, reshaped. None for anything else.
    """
    graph = patch.graph
    source = transposed_from(graph, name)
    if source is not None and source[1] == perm:
        return source[0]
    shape = graph.shape(name)
    if shape is None or len(shape) > len(perm):
        return None
    if not significant(shape):
        return name
    padded = (1,) * (len(perm) - len(shape)) + shape
    back = inverse(perm)
    after = tuple(padded[axis] for axis in back)
    data = graph.constant(name)
    if data is not None and constants:
        quant = graph.quant(name)
        if quant is not None and quant.axis is not None and len(shape) != len(perm):
            return None
        return patch.constant(name, data.reshape(padded).transpose(back), permute_quant(quant, back))
    quant = graph.quant(name)
    if quant is not None and quant.axis is not None:
        return None
    if not _same_order(padded, back):
        return _transposed_constant(patch, name, padded, back) if constants and is_fixed(graph, name) else None
    target = target_for(shape, after)
    return None if target is None else patch.node("Reshape", [name, patch.ints(f"{name}.shape", target)], quant=quant)


def transposed_operand(patch: Patch, node: Node, name: str, perm: Perm) -> str | None:
    """An operand of the full rank that cannot follow by itself, with the inverse Transpose.

    Only where what follows the node cancels the Transpose that moves; or where the operand is read in channels-last
    form anyway and the Transposes that move vanish from before the node. Once for each node of the source: the same
    might be done in the other direction, without end.
    """
    graph = patch.graph
    if graph.rank(name) != len(perm) or not graph.may_even(node):
        return None
    patch.evens.append(node)
    if cancelled(graph, node.outputs[0], perm):
        return transpose(patch, name, inverse(perm))
    moving = [source for source in node.inputs if (found := transposed_from(graph, source)) and found[1] == perm]
    if perm != to_channels_first(len(perm)) or not all(graph.only_feeds(source, node) for source in moving):
        return None
    for reader in graph.consumers(name):
        twin = reader.outputs[0]
        if reader.op == "Transpose" and perm_of(graph, reader) == inverse(perm) and twin not in node.inputs:
            return twin
    return None


def cancelled(graph: IndexedGraph, name: str, perm: Perm, depth: int = 0) -> bool:
    """Whether every reader is a Transpose that undoes perm, if need be behind elementwise operators."""
    readers = graph.consumers(name)
    if not readers or graph.pinned(name) or depth > LOOK_AHEAD:
        return False
    for reader in readers:
        if reader.op == "Transpose":
            if perm_of(graph, reader) != inverse(perm):
                return False
        elif not _follows(reader) or not cancelled(graph, reader.outputs[0], perm, depth + 1):
            return False
    return True


def _follows(node: Node) -> bool:
    """Whether a Transpose passes the node without more ado."""
    op = find(node.op)
    return op is not None and op.elementwise and len(node.inputs) == 1


def _transposed_constant(patch: Patch, name: str, padded: Shape, back: Perm) -> str | None:
    """What is computed from constants alone: the Transpose is moved to the constants in turn."""
    sizes = concrete(padded)
    if sizes is None:
        return None
    if sizes != patch.graph.shape(name):
        name = patch.node("Reshape", [name, patch.ints(f"{name}.shape", sizes)])
    return patch.node("Transpose", [name], {"perm": list(back)})


def _same_order(shape: Shape, perm: Sequence[int]) -> bool:
    kept = [axis for axis in perm if shape[axis] != 1]
    return kept == sorted(kept)
