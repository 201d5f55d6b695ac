"""A whole graph, and the graphs of its branches."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
import onnx
from onnx import defs, helper

from ...runtime.errors import ModelError
from ...runtime.graph import Graph, Value
from ..quantize.prepare import copied
from ..rewrites.framework import shapes
from ..rewrites.framework.indexed import IndexedGraph
from .nodes import write
from .schemas import operator_set
from .writer import Writer


def model_of(source: Graph) -> onnx.ModelProto:
    """ModelError where ONNX cannot say what a node does."""
    graph = copied(source)
    shapes.propagate(IndexedGraph(graph), graph.nodes)
    made = graph_of(graph, Writer(graph))
    wide = any(value.dtype in (np.int16, np.uint16) for value in graph.values.values())
    problem = ""
    for version in range(operator_set(made.node, wide), defs.onnx_opset_version() + 1):
        opsets = [helper.make_opsetid("", version)]
        model = helper.make_model(made, opset_imports=opsets, producer_name="millijoule")
        model.ir_version = helper.find_min_ir_version_for(opsets, True)
        found = _unsound(model)
        if not found:
            return model
        problem = problem or found
    raise ModelError(f"ONNX does not take what the model computes: {problem}")


def _unsound(model: onnx.ModelProto) -> str:
    """What onnx's checker says against the model, or nothing; outputs of unknown shape get what onnx infers."""
    try:
        inferred = onnx.shape_inference.infer_shapes(model, check_type=True, strict_mode=True)
        for output, known in zip(model.graph.output, inferred.graph.output, strict=True):
            output.CopyFrom(known)
        if all(output.type.tensor_type.HasField("shape") for output in model.graph.output):
            onnx.checker.check_model(model)
    except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as problem:
        return str(problem).splitlines()[0]
    return ""


def graph_of(graph: Graph, writer: Writer) -> onnx.GraphProto:
    for node in graph.nodes:
        write(writer, node, lambda inner, around: graph_of(inner, Writer(inner, around)))
    renamed: dict[str, str] = {}
    results = [_result(writer, name, renamed) for name in graph.outputs]
    _rename(writer.nodes, renamed)
    return helper.make_graph(
        writer.nodes,
        graph.name or "graph",
        [_info(graph.values[name], name) for name in graph.inputs],
        [_info(graph.values[name], result) for name, result in zip(graph.outputs, results, strict=True)],
        writer.initializers,
    )


def _result(writer: Writer, name: str, renamed: dict[str, str]) -> str:
    """The output's tensor, of the whole graph under the output's own name."""
    quantized = writer.graph.values[name].quant is not None
    tensor = writer.integers(name) if quantized else writer.read(name)
    own = tensor in {output for node in writer.nodes for output in node.output}
    if tensor == name or (own and writer.outer is not None):
        return tensor
    if own and tensor not in renamed and tensor not in writer.graph.outputs:
        renamed[tensor] = name
        return name
    made = name if writer.outer is None else writer.new(name)
    writer.emit("Identity", [renamed.get(tensor, tensor)], [made])
    return made


def _rename(nodes: Iterable[onnx.NodeProto], renamed: Mapping[str, str]) -> None:
    """Tensors wherever they are read and made, in branches too."""
    for node in nodes:
        for names in (node.input, node.output):
            names[:] = [renamed.get(each, each) for each in names]
        for attribute in node.attribute:
            _rename(attribute.g.node, renamed)


def _info(value: Value, name: str) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(value.dtype), value.shape)
