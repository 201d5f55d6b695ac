"""IF, WHILE and CALL: subgraphs become graphs of ONNX's If and Loop, or the nodes that they are."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ....runtime.graph import Graph, Node, Quantization, Value
from .. import tensors
from ..handlers import handles
from ..names import inside
from ..operator import Operator
from ..records import ModelRecord
from ..subgraph import convert_operators
from ..variables import meaning_as


@handles("CALL")
def call(op: Operator) -> None:
    results = _called(op, op.option("Subgraph"), "", op.graph, range(op.input_count))
    for position, name in enumerate(results[: len(op.record.outputs)]):
        op.node("Identity", [meaning_as(op.graph, name, op.value(op.output(position)))], [op.output(position)])


@handles("IF")
def if_(op: Operator) -> None:
    """The branches see the values around the node; what they give is plain integers where it is quantized."""
    outputs = [op.output(position) for position in range(len(op.record.outputs))]
    branches = {
        f"{name}_branch": _branch(op, op.option(f"{name.capitalize()}SubgraphIndex"), name, outputs)
        for name in ("then", "else")
    }
    _finish(op, "If", [op.input(0)], outputs, branches)


def _finish(op: Operator, name: str, inputs: Sequence[str], outputs: Sequence[str], graphs: dict[str, Graph]) -> None:
    """The node, which gives plain integers where its outputs are quantized."""
    values = [op.value(output) for output in outputs]
    made = [value.name if value.quant is None else op.temporary("stored", value.dtype) for value in values]
    op.node(name, inputs, made, **graphs)
    for stored, output in zip(made, outputs, strict=True):
        if stored != output:
            op.node("Reinterpret", [stored], [output])


def _branch(op: Operator, index: int, name: str, outputs: Sequence[str]) -> Graph:
    graph = Graph(name=op.importer.part(op.name, name))
    results = _called(op, index, f"{name}/", graph, range(1, op.input_count))
    if len(results) < len(outputs):
        raise op.error(f"its {name} branch has {len(results)} outputs instead of {len(outputs)}")
    graph.outputs = [_copied(graph, _plain(graph, result)) for result in results[: len(outputs)]]
    return graph


def _called(op: Operator, index: int, part: str, graph: Graph, positions: Sequence[int]) -> list[str]:
    """Imports a subgraph into a graph, with inputs of the operator for its own; the Values of its outputs."""
    record = op.subgraph(index)
    prefix = op.importer.part(op.name, part)
    if len(record.inputs) != len(positions):
        raise op.error(f"its subgraph {index} has {len(record.inputs)} inputs, but is given {len(positions)}")
    given, resources = dict[int, str](), dict[int, str]()
    for own, position in zip(record.inputs, positions, strict=True):
        key = op.importer.resources.get(op.record.inputs[position])
        if key is None:
            given[own] = _seen(op, op.input(position), graph, prefix)
        else:
            resources[own] = key
    return _imported(op, record, prefix, graph, given, resources)


def _imported(
    op: Operator,
    record: ModelRecord,
    prefix: str,
    graph: Graph,
    given: dict[int, str],
    resources: dict[int, str] | None = None,
) -> list[str]:
    """given: the Values in this graph that stand for the subgraph's inputs. The Values of its outputs."""
    bound = {index: _fitting(op, record, index, name, graph) for index, name in given.items()}
    inner = op.importer.nested(record, prefix, graph, bound, op.importer.variables)
    inner.resources |= resources or {}
    convert_operators(inner)
    return [inner.use(index) for index in record.outputs]


def _fitting(op: Operator, record: ModelRecord, index: int, name: str, graph: Graph) -> str:
    """The Value with the meaning that the subgraph says of its input."""
    tensor, found = record.tensors[index], graph.values[name].dtype
    wanted = tensors.variable(record, tensor, "", public=False)
    if wanted.dtype != found:
        raise op.error(f"its subgraph's input '{tensor.name}' is {wanted.dtype}, but {found} is given")
    return meaning_as(graph, name, wanted)


def _seen(op: Operator, name: str, graph: Graph, prefix: str) -> str:
    """A Value in the graph that is the operator's own there: the same, or a copy."""
    if graph is op.graph:
        return name
    value = op.value(name)
    inner = graph.unique(prefix + inside(prefix, name))
    graph.add_value(Value(inner, value.dtype, value.shape, value.quant, value.data))
    if value.data is None:
        graph.nodes.append(Node("Identity", [name], [inner], {}, inner))
    return inner


def _plain(graph: Graph, name: str) -> str:
    """The integers that a quantized Value is stored as; others as they are."""
    value = graph.values[name]
    return meaning_as(graph, name, Value("", value.dtype)) if value.quant is not None else name


def _copied(graph: Graph, name: str) -> str:
    """A Value that a node makes, as an output must be of its own."""
    value = graph.values[name]
    output = graph.unique(f"{name}/result")
    graph.add_value(Value(output, value.dtype, None))
    graph.nodes.append(Node("Identity", [name], [output], {}, output))
    return output


@handles("WHILE")
def while_(op: Operator) -> None:
    """A Loop without a trip count, whose condition is computed before the first iteration and at the end of each."""
    count = op.input_count
    condition, body = (op.subgraph(op.option(f"{name}SubgraphIndex")) for name in ("Cond", "Body"))
    if not len(condition.inputs) == len(body.inputs) == len(body.outputs) == count == len(op.record.outputs):
        raise op.error("its subgraphs do not take and give as much as it does")
    inputs = [op.input(position) for position in range(count)]
    quants = [op.value(name).quant for name in inputs]
    prefix = op.importer.part(op.name)
    first = _condition(op, condition, f"{prefix}first/", op.graph, inputs)
    graph = _loop_body(op, condition, body, prefix, inputs, quants)
    carried = [_plain(op.graph, name) for name in inputs]
    outputs = [op.output(position) for position in range(count)]
    _finish(op, "Loop", ["", first, *carried], outputs, {"body": graph})


def _loop_body(
    op: Operator,
    condition: ModelRecord,
    body: ModelRecord,
    prefix: str,
    inputs: Sequence[str],
    quants: Sequence[Quantization | None],
) -> Graph:
    graph, states = Graph(name=f"{prefix}body"), list[str]()
    graph.inputs = [
        graph.add_value(Value(f"{prefix}iteration", np.dtype(np.int64), ())),
        graph.add_value(Value(f"{prefix}going", np.dtype(np.bool_), None)),
    ]
    for position, (name, quant) in enumerate(zip(inputs, quants, strict=True)):
        dtype = op.value(name).dtype
        state = graph.add_value(Value(f"{prefix}carried_{position}", dtype))
        graph.inputs.append(state)
        states.append(meaning_as(graph, state, Value("", dtype, None, quant)))
    given = dict(zip(body.inputs, states, strict=True))
    results = _imported(op, body, f"{prefix}body/", graph, given)
    going = _condition(op, condition, f"{prefix}again/", graph, results)
    outputs = [_plain(graph, name) for name in results]
    graph.outputs = [_copied(graph, name) for name in (going, *outputs)]
    return graph


def _condition(op: Operator, record: ModelRecord, prefix: str, graph: Graph, given: Sequence[str]) -> str:
    """The Value of what the condition's subgraph gives for these Values."""
    results = _imported(op, record, prefix, graph, dict(zip(record.inputs, given, strict=True)))
    if len(results) != 1:
        raise op.error(f"its condition has {len(results)} outputs")
    return results[0]
