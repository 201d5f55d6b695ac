"""A Reshape moves past elementwise operators, towards another Reshape or away from a producer that can take them in."""

from __future__ import annotations

from ...runtime.graph import Node
from .framework.indexed import IndexedGraph, Shape
from .framework.patch import Patch
from .framework.reshape_target import significant, target_for
from .framework.rewriter import rewrite_of


@rewrite_of(where=lambda op: op.elementwise)
def sink_reshape_below_unary(graph: IndexedGraph, node: Node) -> Patch | None:
    """Where nothing else reads the reshaped tensor."""
    reshape = _sole_reshape(graph, node.inputs[0], node)
    if reshape is None or graph.constant(reshape.inputs[0]) is not None:
        return None
    if any(name and graph.rank(name) != 0 for name in node.inputs[1:]):
        return None
    return _below(graph, node, reshape, [reshape.inputs[0], *node.inputs[1:]])


@rewrite_of("QuantizeLinear", "DequantizeLinear")
def sink_reshape_below_quantizers(graph: IndexedGraph, node: Node) -> Patch | None:
    """Where there is one scale for the whole tensor."""
    reshape = _sole_reshape(graph, node.inputs[0], node)
    if reshape is None or graph.constant(reshape.inputs[0]) is not None or graph.rank(node.inputs[1]) != 0:
        return None
    return _below(graph, node, reshape, [reshape.inputs[0], *node.inputs[1:]])


@rewrite_of(where=lambda op: op.broadcasts)
def sink_reshape_below_broadcasting(graph: IndexedGraph, node: Node) -> Patch | None:
    """Where the other operands have one element; or where the Reshape only moves, adds or drops dimensions of size 1
    and the others can follow: constants, and tensors reshaped likewise."""
    found = None
    for name in node.inputs:
        found = found or _sole_reshape(graph, name, node)
    if found is None:
        return None
    before, after = graph.shape(found.inputs[0]), graph.shape(found.outputs[0])
    if before is None or after is None or graph.shape(node.outputs[0]) != after:
        return None
    others = [name for name in node.inputs if name != found.outputs[0]]
    single = all((shape := graph.shape(name)) is not None and not significant(shape) for name in others)
    if significant(before) != significant(after) and not single:
        return None
    patch, inputs = Patch(graph, [node]), []
    for name in node.inputs:
        moved = _operand(patch, name, before, after)
        if moved is None:
            return None
        inputs.append(moved)
    return _below(graph, node, found, inputs, patch)


@rewrite_of("Concat")
def sink_reshape_below_concat(graph: IndexedGraph, node: Node) -> Patch | None:
    """Where all inputs are reshaped alike, none of them more than dimensions of size 1."""
    reshapes = [_sole_reshape(graph, name, node) for name in node.inputs]
    axes = {_source_axis(graph, node, reshape) for reshape in reshapes}
    result = graph.value(node.outputs[0])
    if len(axes) != 1 or None in axes or result is None or result.shape is None:
        return None
    axis = axes.pop()
    shapes = [graph.shape(reshape.inputs[0]) for reshape in reshapes if reshape is not None]
    rest = {(*shape[:axis], *shape[axis + 1 :]) for shape in shapes if shape is not None and axis is not None}
    sizes = [shape[axis] for shape in shapes if shape is not None and axis is not None]
    if len(rest) != 1 or axis is None or any(isinstance(size, str) for size in sizes):
        return None
    others = rest.pop()
    joined = (*others[:axis], sum(size for size in sizes if isinstance(size, int)), *others[axis:])
    target = target_for(joined, result.shape)
    if target is None or significant(joined) != significant(result.shape):
        return None
    patch = Patch(graph, [node])
    inputs = [reshape.inputs[0] for reshape in reshapes if reshape is not None]
    inner = patch.node(
        "Concat", inputs, node.attrs | {"axis": axis}, hint=result.name, shape=joined, quant=result.quant
    )
    patch.node("Reshape", [inner, patch.ints(f"{result.name}.shape", target)], output=result.name)
    return patch


def _source_axis(graph: IndexedGraph, node: Node, reshape: Node | None) -> int | None:
    """The axis before the Reshape that the Concat's axis was, where only dimensions of size 1 are moved."""
    before = None if reshape is None else graph.shape(reshape.inputs[0])
    after = None if reshape is None else graph.shape(reshape.outputs[0])
    if before is None or after is None or significant(before) != significant(after):
        return None
    axis = node.attrs["axis"] % len(after)
    if after[axis] == 1:
        return None
    place = len(significant(after[:axis]))
    return [index for index, dim in enumerate(before) if dim != 1][place]


def _sole_reshape(graph: IndexedGraph, name: str, reader: Node) -> Node | None:
    reshape = graph.producer_of(name, "Reshape")
    if reshape is None or not graph.only_feeds(name, reader) or graph.constant(reshape.inputs[1]) is None:
        return None
    return reshape


def _operand(patch: Patch, name: str, before: Shape, after: Shape) -> str | None:
    graph = patch.graph
    reshape = graph.producer_of(name, "Reshape")
    if reshape is not None and graph.shape(name) == after and graph.shape(reshape.inputs[0]) == before:
        return reshape.inputs[0]
    shape, data, quant = graph.shape(name), graph.constant(name), graph.quant(name)
    if shape is None or len(shape) > len(after):
        return None
    if not significant(shape) and len(shape) <= len(before):
        return name
    if data is None or (quant is not None and quant.axis is not None):
        return None
    if not significant(shape):
        return patch.constant(name, data.reshape(()), quant)
    padded = (1,) * (len(after) - len(shape)) + data.shape
    kept = iter([padded[axis] for axis, dim in enumerate(after) if dim != 1])
    return patch.constant(name, data.reshape([1 if dim == 1 else next(kept) for dim in before]), quant)


def _below(
    graph: IndexedGraph, node: Node, reshape: Node, inputs: list[str], patch: Patch | None = None
) -> Patch | None:
    before, result = graph.shape(reshape.inputs[0]), graph.value(node.outputs[0])
    if before is None or result is None or result.shape is None:
        return None
    target = target_for(before, result.shape)
    if target is None or (result.quant is not None and result.quant.axis is not None):
        return None
    patch = patch or Patch(graph, [node])
    inner = patch.node(
        node.op, inputs, dict(node.attrs), hint=result.name, dtype=result.dtype, shape=before, quant=result.quant
    )
    patch.node("Reshape", [inner, patch.ints(f"{result.name}.shape", target)], output=result.name)
    return patch
