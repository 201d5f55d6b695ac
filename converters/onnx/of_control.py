"""If, Loop and Scan: their subgraphs become graphs, which see the values around the node."""

from __future__ import annotations

import onnx

from .call import Call
from .generic import known_attributes
from .handlers import handles


@handles("If", "Loop", "Scan")
def control(call: Call) -> None:
    from .importer import import_subgraph

    graphs = {
        name: import_subgraph(call, value) for name, value in call.attrs.items() if isinstance(value, onnx.GraphProto)
    }
    plain = known_attributes(call, call.op, skip=tuple(graphs))
    call.finish(call.op, call.inputs, {**plain, **graphs})
