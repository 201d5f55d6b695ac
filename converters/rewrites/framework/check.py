"""Whether a graph is whole: what tests assert after each patch."""

from __future__ import annotations

from ....runtime.errors import ModelError
from ....runtime.graph import Node, outer_reads
from ....runtime.ops import meaning, registry
from .indexed import IndexedGraph
from .order import topological


def check(graph: IndexedGraph, moment: str) -> None:
    """RuntimeError that says what is wrong and at which moment, where the graph is broken.

    Every value read exists and is a constant, an input or produced by one node; there are no cycles; operators and
    their attributes are known; public names are there; indexes agree with the nodes; integers are taken for what they
    mean.
    """
    problems = [
        *_values(graph),
        *(problem for node in graph.nodes.values() for problem in _node(graph, node)),
    ]
    try:
        topological(graph.nodes.values(), lambda node: (graph.position(node), id(node)))
    except ModelError as error:
        problems.append(str(error))
    if problems:
        raise RuntimeError(f"broken graph {moment}: " + "; ".join(problems))


def _values(graph: IndexedGraph) -> list[str]:
    inner = graph.graph
    problems = [f"{name} is not in values" for name in (*inner.inputs, *inner.outputs) if graph.value(name) is None]
    problems += [f"'{key}' is named '{value.name}'" for key, value in inner.values.items() if key != value.name]
    for name in inner.outputs:
        available = graph.producer(name) or graph.constant(name) is not None or name in inner.inputs
        if not available:
            problems.append(f"nothing produces output '{name}'")
    return problems


def _node(graph: IndexedGraph, node: Node) -> list[str]:
    problems = []
    operator = registry.find(node.op)
    if operator is None:
        problems.append(f"{node} is unknown")
    else:
        operator.attributes(node)
    for name in {*node.inputs, *outer_reads(node)} - {""}:
        value = graph.value(name)
        if value is None:
            problems.append(f"{node} reads '{name}', which is not in values")
        elif name in graph.graph.values and not (
            value.data is not None or name in graph.graph.inputs or graph.producer(name)
        ):
            problems.append(f"{node} reads '{name}', which nothing produces")
        if node not in graph.consumers(name):
            problems.append(f"{node} is not among the readers of '{name}'")
    taken = None if operator is None else meaning.problem(node, graph.value)
    if taken is not None:
        problems.append(f"{node}: {taken}")
    for name in filter(None, node.outputs):
        if name not in graph.graph.values:
            problems.append(f"{node} writes '{name}', which is not in values")
        if graph.producer(name) is not node:
            problems.append(f"'{name}' has two producers")
    return problems
