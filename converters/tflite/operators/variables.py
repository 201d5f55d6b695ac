"""VAR_HANDLE, READ_VARIABLE, ASSIGN_VARIABLE, CALL_ONCE: what is kept from one run to the next."""

from __future__ import annotations

from ....runtime.evaluate.reference import run
from ....runtime.graph import Graph
from ..handlers import handles
from ..operator import Operator
from ..subgraph import convert_operators
from ..variables import Variables, key_of, meaning_as


@handles("VAR_HANDLE")
def var_handle(op: Operator) -> None:
    op.result_tensor()
    op.importer.resources[op.record.outputs[0]] = key_of(dict(op.record.options))


def _key(op: Operator) -> str:
    op.tensor(0)
    key = op.importer.resources.get(op.record.inputs[0])
    if key is None:
        raise op.unsupported(f"'{op.tensor(0).name}' is no handle of a variable")
    return key


@handles("READ_VARIABLE")
def read_variable(op: Operator) -> None:
    current = op.importer.variables.read(_key(op), op.result_tensor(), op.importer)
    op.node("Identity", [meaning_as(op.graph, current, op.value(op.output()))], [op.output()])


@handles("ASSIGN_VARIABLE")
def assign_variable(op: Operator) -> None:
    op.importer.variables.assign(_key(op), op.input(1), op.importer)


@handles("CALL_ONCE")
def call_once(op: Operator) -> None:
    """The subgraph gives variables their first elements, which are computed here and now."""
    record = op.subgraph(op.option("InitSubgraphIndex"))
    if record.inputs:
        raise op.error(f"its subgraph has {len(record.inputs)} inputs")
    graph, variables = Graph(), Variables()
    before = len(op.importer.refused)
    inner = op.importer.nested(record, f"{op.name}/", graph, {}, variables)
    convert_operators(inner)
    if len(op.importer.refused) > before:
        return
    found = variables.assigned()
    arrays = run(graph, {}, list(dict.fromkeys(found.values())))
    op.importer.variables.initial |= {key: arrays[name] for key, name in found.items()}
