"""A product with one number, or a sum, that alone reads an activated result is computed by the node that makes it."""

from __future__ import annotations

from math import copysign, isfinite

import numpy as np

from ...runtime.graph import Node
from ...runtime.ops.activation import AFFINE
from ...runtime.ops.registry import find
from .framework.indexed import IndexedGraph
from .framework.matching import with_scalar
from .framework.patch import Patch
from .framework.products import has_input
from .framework.rewriter import rewrite_of

NOTHING = -0.0
"""What is added where nothing is: sums with it keep the sign of zeros."""
_FORMS = {name: affine for affine, name in AFFINE.items()}


@rewrite_of("Mul", "Add")
def fuse_affine(graph: IndexedGraph, node: Node) -> Patch | None:
    """What follows the activations of PP-LCNet, and the scale of attention's scores. A number by which a convolution
    without activation is multiplied goes into its weights instead."""
    found, result = with_scalar(graph, node), node.outputs[0]
    producer = None if found is None else graph.producer(found[0])
    op = None if producer is None else find(producer.op)
    if found is None or producer is None or op is None or op.macs is None or not op.fuses_activation:
        return None
    x, number = found
    same = graph.shape(x) is not None and graph.shape(x) == graph.shape(result)
    if not (same and graph.only_feeds(x, node) and isfinite(number)) or graph.quant(result) is not None:
        return None
    if graph.dtype(x) != np.float32 or graph.dtype(result) != np.float32:
        return None
    name, params = producer.attrs.get("activation"), list(producer.attrs.get("activation_params", ()))
    scores = producer.op == "MatMul" and graph.constant(producer.inputs[1]) is None and not has_input(producer, 2)
    if name in _FORMS and (name is not None or scores):
        name, params = _FORMS[name], [number, NOTHING] if node.op == "Mul" else [1.0, number]
    elif name in AFFINE and node.op == "Add" and params[1] == 0 and copysign(1, params[1]) < 0:
        params = [params[0], number]
    else:
        return None
    patch = Patch(graph, [producer, node])
    attrs = producer.attrs | {"activation": name, "activation_params": params}
    patch.add.append(Node(producer.op, list(producer.inputs), list(node.outputs), attrs, producer.name))
    return patch
