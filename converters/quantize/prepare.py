"""The float graph that is calibrated and quantized: rewritten as far as that leaves sums and products apart."""

from __future__ import annotations

from ...runtime.errors import InputError
from ...runtime.evaluate.shapes import fold_constants
from ...runtime.graph import Graph, Node, Value, subgraphs
from ..rewrites.pipeline import UNFUSED, rewrite
from .products import RECURRENT

QUANTIZERS = frozenset({"QuantizeLinear", "DequantizeLinear", "Requantize"})


def prepare(imported: Graph) -> Graph:
    """Rewrites the imported graph in place and gives a graph whose weights are plain floats.

    InputError where it is quantized already, or holds control flow, whose branches cannot be calibrated.
    """
    rewrite(imported, stages=UNFUSED)
    graph = fold_constants(imported)
    for node in graph.nodes:
        if subgraphs(node):
            raise InputError(f"{node} chooses between branches; only models without control flow can be quantized")
    tables = _tables(graph)
    quantized = next((node for node in graph.nodes if node.op in QUANTIZERS and node.inputs[0] not in tables), None)
    if quantized is not None or any(v.quant is not None and v.name not in tables for v in graph.values.values()):
        place = f" ({quantized})" if quantized is not None else ""
        raise InputError(f"the model is quantized already{place}: convert it as it is, or quantize its float original")
    return named(copied(graph))


def _tables(graph: Graph) -> set[str]:
    """Constants that rows are taken of, and those rows: how their integers are stored says nothing of activations."""
    found = set[str]()
    for node in graph.nodes:
        looked_up = node.op == "Gather" and graph.constant(node.inputs[0]) is not None
        if looked_up or (node.op == "Reinterpret" and node.inputs[0] in found):
            found |= {node.inputs[0], *node.outputs}
    return found


def named(graph: Graph) -> Graph:
    """A recurrent layer of which only the last state is read gets a name for its first output, its key."""
    for node in graph.nodes:
        if node.op in RECURRENT and not node.outputs[0]:
            dtype = graph.values[node.inputs[0]].dtype
            node.outputs[0] = graph.add_value(Value(graph.unique(f"{node.name or node.op}.states"), dtype))
    return graph


def copied(graph: Graph) -> Graph:
    """The same graph in objects of its own; constants are shared, which nobody writes to."""
    return Graph(
        {name: Value(v.name, v.dtype, v.shape, v.quant, v.data) for name, v in graph.values.items()},
        [Node(n.op, list(n.inputs), list(n.outputs), dict(n.attrs), n.name) for n in graph.nodes],
        list(graph.inputs),
        list(graph.outputs),
        graph.name,
    )
