"""If, Loop and Scan: their subgraphs become graphs, which see the values around the node."""

from __future__ import annotations

import numpy as np
import onnx

from ..call import Call
from ..generic import known_attributes
from ..handlers import handles
from ..importer import import_subgraph
from ..job import Unsupported


@handles("If", "Loop", "Scan")
def control(call: Call) -> None:
    if call.op == "Scan" and call.version < 9:
        raise Unsupported("its form of operator set 8, with a batch of sequences of several lengths, is not supported")
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
