"""If, Loop and Scan: their subgraphs become graphs, which see the values around the node."""

from __future__ import annotations

import numpy as np
import onnx

from ....runtime.boxed import is_optional
from ....runtime.graph import Graph, Node, Value
from ..call import Call
from ..generic import known_attributes
from ..handlers import handles
from ..importer import import_subgraph
from ..job import Unsupported
from ..sequences import optional
from ..types import declared_dtype


@handles("If", "Loop")
@handles("Scan", since=9)
def control(call: Call) -> None:
    for index, declared in _carried(call):
        call.inputs[index] = optional(call.scope, call.inputs[index]) if is_optional(declared) else call.inputs[index]
    fed = [call.value(name).dtype if name else None for name in call.inputs]
    if call.op == "Loop":
        fed = [np.dtype(np.int64), np.dtype(np.bool_), *fed[2:]]
    graphs = {
        name: import_subgraph(call, value, fed)
        for name, value in call.attrs.items()
        if isinstance(value, onnx.GraphProto)
    }
    plain = known_attributes(call, call.op, skip=tuple(graphs))
    call.finish(call.op, call.inputs, {**plain, **graphs})


@handles("Scan")
def scan_8(call: Call) -> None:
    """The first dimension of everything is a batch, the second one that of what is scanned: a Scan of the newer form
    for each of the batch."""
    if call.has(0):
        raise Unsupported("sequences of several lengths are not supported")
    inputs, count, body = call.inputs[1:], call.integer("num_scan_inputs"), call.attrs.get("body")
    if not isinstance(body, onnx.GraphProto) or "" in inputs:
        raise Unsupported("it lacks its body or an input")
    inner = import_subgraph(call, body, [call.value(name).dtype for name in inputs])
    directions = call.integers("directions", [0] * count)
    unique = call.scope.job.unique
    names = [unique(f"{call.name}.{name}") for name in inner.inputs]
    results = [unique(f"{call.name}.{name}") for name in inner.outputs]
    one = Graph(name=body.name, inputs=names, outputs=results)
    for name, inside in zip((*names, *results), (*inner.inputs, *inner.outputs), strict=True):
        one.add_value(Value(name, (inner.values.get(inside) or call.value(inside)).dtype))
    attrs = {"body": inner, "num_scan_inputs": count, "scan_input_directions": directions}
    one.nodes.append(Node("Scan", names, results, attrs, call.name))
    call.finish("Scan", inputs, {"body": one, "num_scan_inputs": len(inputs)})


def _carried(call: Call) -> list[tuple[int, np.dtype]]:
    """Which inputs a body takes, and what it says that they are."""
    body = call.attrs.get("body")
    if not isinstance(body, onnx.GraphProto):
        return []
    first = 2 if call.op == "Loop" else 0
    pairs = [(index, declared_dtype(info.type)) for index, info in enumerate(body.input) if index >= first]
    return [(index, dtype) for index, dtype in pairs if dtype is not None and call.has(index)]
