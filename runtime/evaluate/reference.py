"""Runs nodes and graphs in NumPy: for constant folding, steps without a kernel, and comparison layer by layer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from ..boxed import TEXT
from ..errors import InputError, ModelError
from ..graph import Graph, Node, Value, outer_reads
from ..ops import integer
from ..ops.inference import context_of, infer_node
from ..ops.meaning import CONVERSIONS
from ..ops.registry import Context, Op, Tensor, find
from . import control


def evaluate(op: Op, ctx: Context, arrays: Sequence[np.ndarray | None]) -> list[np.ndarray]:
    """The outputs of one node, given the arrays of its inputs (None for an absent one).

    ctx names the outputs and their quantization. A quantized node runs its integer implementation, or copies stored
    integers where the operator only moves data, or else is computed in float32 between dequantizing and quantizing.
    Outputs without elements are not computed.
    """
    if ctx.outputs and all(tensor.size == 0 for tensor in ctx.outputs):
        return [np.empty(tensor.shape, tensor.dtype) for tensor in ctx.outputs]
    if ctx.found is not None:
        return [_array(item, tensor) for item, tensor in zip(ctx.found, ctx.outputs, strict=False)]
    with np.errstate(all="ignore"):
        result = _integers(op, ctx, arrays) if ctx.quantized else op.reference(*arrays, **ctx.attrs)
        if result is NotImplemented:
            result = _through_reals(op, ctx, arrays)
    found = list(result) if isinstance(result, (list, tuple)) else [result]
    return [_array(item, tensor) for item, tensor in zip(found, ctx.outputs, strict=False)]


def _array(result: object, tensor: Tensor) -> np.ndarray:
    # NumPy makes an array of its own kind of text of a single one.
    array = np.asarray(result, TEXT if tensor.dtype == TEXT else None)
    # NumPy 1 makes scalars of arrays without dimensions, and promotes float32 scalars beside Python's numbers.
    if array.ndim == 0 and array.dtype == np.float64 and tensor.dtype.kind == "f":
        array = array.astype(tensor.dtype)
    # A quantized scalar's scale is an array of one number.
    return array.reshape(()) if tensor.shape == () and array.size == 1 else array


def _integers(op: Op, ctx: Context, arrays: Sequence[np.ndarray | None]) -> object:
    if op.quantized is not None and (ctx.narrow or op.name in CONVERSIONS):
        result = op.quantized(ctx, *arrays)
        if result is not NotImplemented:
            return result
    if op.moves_data and ctx.uniform and ctx.attrs.get("activation") is None:
        quants = [t.quant for t in (*ctx.inputs, *ctx.outputs) if t is not None and t.quant is not None]
        if all(quant == quants[0] for quant in quants):
            return op.reference(*arrays, **ctx.attrs)
    return NotImplemented


def _through_reals(op: Op, ctx: Context, arrays: Sequence[np.ndarray | None]) -> list[np.ndarray]:
    reals = [
        integer.dequantize(array, tensor.quant) if array is not None and tensor is not None and tensor.quant else array
        for array, tensor in zip(arrays, ctx.inputs, strict=True)
    ]
    result = op.reference(*reals, **ctx.attrs)
    found = list(result) if isinstance(result, (list, tuple)) else [result]
    for array, tensor in zip(found, ctx.outputs, strict=False):
        if tensor.quant is None and array.dtype != tensor.dtype:
            raise ctx.error(f"output '{tensor.name}' is {tensor.dtype} but has no scale to store real numbers by")
    return [
        array if tensor.quant is None else integer.quantize(array, tensor.quant, tensor.dtype)
        for array, tensor in zip(found, ctx.outputs, strict=False)
    ]


def run(graph: Graph, feeds: Mapping[str, np.ndarray], outputs: Iterable[str] | None = None) -> dict[str, np.ndarray]:
    """The graph's outputs, or those values of it that `outputs` names.

    feeds: arrays of the inputs; a value fed that some node produces is taken as given. InputError on a missing or
    unknown feed, ModelError where the graph is at fault.
    """
    wanted = list(graph.outputs if outputs is None else outputs)
    return {name: _data(tensor) for name, tensor in _run(graph, feeds, wanted, {}).items()}


def _run(
    graph: Graph, feeds: Mapping[str, np.ndarray], wanted: Sequence[str], outer: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    """The wanted values. outer: what a subgraph sees of the graphs around it."""
    scope = {name: tensor for name, tensor in outer.items() if name not in graph.values}  # which hide those around them
    scope |= {name: _tensor(value, value.data) for name, value in graph.values.items() if value.data is not None}
    for name, array in feeds.items():
        if name not in graph.values:
            raise InputError(f"'{name}' is no value of the graph; its inputs are {graph.inputs}")
        scope[name] = _tensor(graph.values[name], np.asarray(array))
    missing = [name for name in graph.inputs if name not in scope]
    if missing:
        raise InputError(f"no data for input '{missing[0]}'; the inputs are {graph.inputs}")

    pending = Counter(wanted) + Counter(name for node in graph.nodes for name in _reads(node))
    for node in graph.nodes:
        if any(name and name not in scope for name in node.outputs):
            for name, tensor in _run_node(graph, node, scope).items():
                scope.setdefault(name, tensor)
        for name in _reads(node):
            pending[name] -= 1
            if not pending[name]:
                scope.pop(name, None)
    return {name: _find(scope, name) for name in wanted}


def _reads(node: Node) -> set[str]:
    return {*node.inputs, *outer_reads(node)} - {""}


def _run_node(graph: Graph, node: Node, scope: Mapping[str, Tensor]) -> dict[str, Tensor]:
    for name in node.inputs:
        if name and name not in scope:
            raise ModelError(f"{node}: input '{name}' is not computed by any earlier node")
    inputs = [scope[name] if name else None for name in node.inputs]
    op = find(node.op)
    if op is not None and op.runs_graphs:
        return _run_graphs(graph, node, op, inputs, scope)
    step = infer_node(node, inputs)
    for tensor in step.ctx.outputs:
        value = graph.values.get(tensor.name)
        if value is not None:
            if value.dtype != tensor.dtype:
                raise ModelError(f"{node}: gives {tensor.dtype}, but '{tensor.name}' is declared {value.dtype}")
            tensor.quant = value.quant
    arrays = evaluate(step.op, step.ctx, [None if tensor is None else tensor.data for tensor in inputs])
    for tensor, array in zip(step.ctx.outputs, arrays, strict=True):
        if (array.shape, array.dtype) != (tensor.shape, tensor.dtype):
            raise ValueError(f"{node}: reference gave {array.dtype}{array.shape}, not {tensor.dtype}{tensor.shape}")
        tensor.data = array
    return {tensor.name: tensor for tensor in step.ctx.outputs if tensor.name}


def _run_graphs(
    graph: Graph, node: Node, op: Op, inputs: Sequence[Tensor | None], scope: Mapping[str, Tensor]
) -> dict[str, Tensor]:
    def run_graph(inner: Graph, feeds: Mapping[str, np.ndarray]) -> list[np.ndarray]:
        found = _run(inner, feeds, inner.outputs, scope)
        return [_data(found[name]) for name in inner.outputs]

    ctx = context_of(node, op, inputs)
    arrays = control.run(op, ctx, [None if tensor is None else tensor.data for tensor in inputs], run_graph)
    quants = [graph.values[name].quant if name in graph.values else None for name in node.outputs]
    named = zip(node.outputs, arrays, quants, strict=False)
    return {name: Tensor(name, array.shape, array.dtype, quant, array) for name, array, quant in named if name}


def _tensor(value: Value, data: np.ndarray) -> Tensor:
    return Tensor(value.name, data.shape, data.dtype, value.quant, data)


def _find(scope: Mapping[str, Tensor], name: str) -> Tensor:
    tensor = scope.get(name)
    if tensor is None:
        raise ModelError(f"value '{name}' is not computed by any node")
    return tensor


def _data(tensor: Tensor) -> np.ndarray:
    if tensor.data is None:
        raise ModelError(f"value '{tensor.name}' has no data")
    return tensor.data
