"""A Transpose before the flattening in front of a matrix product is done to the product's constant weights instead."""

from __future__ import annotations

from math import prod

from ...runtime.graph import Node
from .framework.constants import concrete, is_fixed
from .framework.indexed import IndexedGraph, Shape
from .framework.patch import Patch
from .framework.permutation import Perm, permuted, transposed_from
from .framework.reshape_target import target_for
from .framework.rewriter import rewrite_of


@rewrite_of("Gemm", "MatMul")
def permute_product_weights(graph: IndexedGraph, node: Node) -> Patch | None:
    """product(Reshape(Transpose(x)), w) -> product(Reshape(x), permuted w), where the Reshape merges all permuted
    dimensions into the one that the product sums over."""
    reshape = graph.producer_of(node.inputs[0], "Reshape")
    source = None if reshape is None else transposed_from(graph, reshape.inputs[0])
    w, shape = node.inputs[1], concrete(graph.shape(node.inputs[1]))
    if reshape is None or source is None or shape is None or len(shape) != 2 or not is_fixed(graph, w):
        return None
    x, perm = source
    lead = _leading(graph, reshape, perm)
    before, after = graph.shape(x), graph.shape(reshape.outputs[0])
    turned = permuted(before, perm)
    merged = concrete(turned[lead:]) if lead is not None and turned is not None else None
    rows = 1 if node.attrs.get("transB") else 0
    if merged is None or before is None or after is None or node.attrs.get("transA") or prod(merged) != shape[rows]:
        return None
    target = target_for(before, after)
    if target is None:
        return None
    patch = Patch(graph, [node])
    flat = patch.node(
        "Reshape",
        [x, patch.ints(f"{reshape.outputs[0]}.shape", target)],
        hint=reshape.outputs[0],
        shape=after,
        quant=graph.quant(reshape.outputs[0]),
    )
    order = tuple(axis - lead for axis in perm[lead:]) if lead is not None else ()
    weights = _permuted_rows(patch, w, rows, merged, order)
    patch.add.append(Node(node.op, [flat, weights, *node.inputs[2:]], list(node.outputs), dict(node.attrs), node.name))
    return patch


def _leading(graph: IndexedGraph, reshape: Node, perm: Perm) -> int | None:
    """How many leading dimensions both the Transpose and the Reshape leave alone, the rest being merged into one."""
    before, after = graph.shape(reshape.inputs[0]), graph.shape(reshape.outputs[0])
    if before is None or after is None:
        return None
    lead = len(after) - 1
    same: Shape = before[:lead]
    return lead if same == after[:lead] and perm[:lead] == tuple(range(lead)) and len(before) > lead + 1 else None


def _permuted_rows(patch: Patch, w: str, axis: int, merged: tuple[int, ...], order: Perm) -> str:
    """w with the rows of its axis, which stand for `merged`, a permutation by `order` of the new layout, reordered."""
    shape = concrete(patch.graph.shape(w)) or ()
    split = (*shape[:axis], *merged, *shape[axis + 1 :])
    back = tuple(order.index(place) for place in range(len(order)))
    perm = [*range(axis), *(axis + place for place in back), *range(axis + len(merged), len(split))]
    parts = patch.node("Reshape", [w, patch.ints(f"{w}.split", split)], shape=split)
    mixed = patch.node("Transpose", [parts], {"perm": perm}, shape=tuple(split[place] for place in perm))
    return patch.node("Reshape", [mixed, patch.ints(f"{w}.merged", shape)], hint=w, shape=shape)
