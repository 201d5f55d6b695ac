"""From a graph and its inputs' shapes to concrete tensors and the nodes that are left to run.

`fold_constants` is what a planner calls once per model, `instantiate` what it calls for each new set of input shapes;
`infer_node` serves whoever looks at a single node.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress

import msgspec
import numpy as np

from ..boxed import is_boxed
from ..errors import ModelError
from ..graph import Graph, Node, Value, outer_reads, subgraphs
from ..ops.attribute_types import check as check_attributes
from ..ops.inference import Step, context_of, infer_node
from ..ops.registry import DataNeeded, Op, Tensor, find
from .dimensions import bind_inputs, declare
from .folding import Folder
from .inlining import in_place, inlined

__all__ = ["Instance", "Later", "Step", "fold_constants", "infer_node", "instantiate"]

Scope = dict[str, Tensor]


class Instance(msgspec.Struct):
    """A graph for given input shapes.

    tensors: the graph's inputs and outputs and all that the steps name; those with data are constants.
    steps: what has to run, in order; their contexts share the objects in tensors.
    symbols: the size of each symbolic dimension of the inputs.
    """

    tensors: dict[str, Tensor] = msgspec.field(default_factory=dict)
    steps: list[Step] = msgspec.field(default_factory=list)
    symbols: dict[str, int] = msgspec.field(default_factory=dict)


class Later(msgspec.Struct):
    """What is left of a graph whose shapes depend on data. nodes: in order, with those of branches that were chosen.
    needs: for the first of them, by its outputs' names, the tensor whose elements it needs, None where it has to be
    run. values: of the graph and of those branches. done: the nodes that need not wait. inlined: what stands in for a
    branch, by the node's and the branch's identities, so that it is the same nodes every time."""

    nodes: list[Node] = msgspec.field(default_factory=list)
    needs: dict[tuple[str, ...], str | None] = msgspec.field(default_factory=dict)
    values: dict[str, Value] = msgspec.field(default_factory=dict)
    done: list[Node] = msgspec.field(default_factory=list)
    inlined: dict[tuple[int, int], Graph] = msgspec.field(default_factory=dict)


def instantiate(
    graph: Graph,
    input_shapes: Mapping[str, Sequence[int]],
    keep: Iterable[str] = (),
    outer: Mapping[str, Tensor] | None = None,
    known: Mapping[str, np.ndarray] | None = None,
    later: Later | None = None,
) -> Instance:
    """Infers every shape, folds what is known before running, and drops nodes that no output needs.

    input_shapes: may leave out inputs whose shape has no symbols. keep: values to compute besides the outputs.
    outer: what a subgraph sees of the graphs around it. known: inputs whose elements are known. later: takes the nodes
    whose shapes are not known yet and those that depend on them. The graph is not changed.
    InputError: a shape that an input does not take. DataNeeded, without later: shapes depend on data. ModelError,
    naming the node: the graph is at fault; one error lists all operators that are not supported.
    """
    _refuse_unknown(graph)
    instance, values = Instance(), dict(graph.values)
    scope: Scope = dict(outer or {}) | _constants(graph)
    inputs = bind_inputs(graph, input_shapes, instance.symbols)
    for name, data in (known or {}).items():
        inputs[name].data = data
    scope |= inputs
    wanted = [*graph.outputs, *keep]
    if later is None and any(is_boxed(values[name].dtype) for name in (*graph.inputs, *wanted) if name in values):
        raise DataNeeded("an input or output is text, a sequence or an optional value, which no program holds")
    reads = [_reads(node) for node in graph.nodes]
    pending = Counter(wanted) + Counter(name for names in reads for name in names)
    folder, steps, captured = Folder(graph.constant_bytes()), [], dict(inputs)
    defined, waiting, nodes = set(scope), set[str](), deque(zip(graph.nodes, reads, strict=True))

    def taken(name: str) -> bool:
        return name in values or name in defined

    while nodes:
        node, names = nodes.popleft()
        branch = _stand_in(node, scope, later, taken)
        if branch is not None:
            within = [(inner, _reads(inner)) for inner in branch.nodes]
            nodes.extendleft(reversed(within))
            values |= branch.values
            scope |= _constants(branch)
            pending.update(name for _, inner in within for name in inner)
            pending.subtract(names)
            continue
        try:
            if not waiting.isdisjoint(names):
                raise DataNeeded("")
            if _reads_boxed(node, scope):
                raise _not_held(node)
            step = _infer(values, node, scope, instance.symbols)
            if any(is_boxed(tensor.dtype) for tensor in step.ctx.outputs):
                raise _not_held(node)
        except DataNeeded as needed:
            if later is None:
                raise
            later.nodes.append(node)
            if waiting.isdisjoint(names):
                later.needs[tuple(node.outputs)] = needed.tensor
            waiting.update(filter(None, node.outputs))
            captured |= {name: scope[name] for name in names if name in scope}
            continue
        if later is not None:
            later.done.append(node)
        _define(step, defined)
        if not folder.fold(step):
            steps.append(step)
            captured |= {name: _find(node, name, scope) for name in outer_reads(node)}
        scope |= {tensor.name: tensor for tensor in step.ctx.outputs if tensor.name}
        for name in names:
            pending[name] -= 1
            if not pending[name]:
                scope.pop(name, None)  # so that folded results are freed after their last use
    if later is not None:
        later.values = values
        wanted = [name for name in wanted if name not in waiting]
    for name in wanted:
        if name not in scope:
            raise ModelError(f"output '{name}' is not computed by any node")
        captured[name] = scope[name]
    instance.steps = _live(steps, wanted) if later is None else steps
    named = [tensor for step in instance.steps for tensor in (*step.ctx.inputs, *step.ctx.outputs)]
    read = {*graph.inputs, *wanted}.union(*(outer_reads(step.node) for step in instance.steps))
    read.update(name for node in (later.nodes if later else ()) for name in _reads(node))
    instance.tensors = {name: tensor for name, tensor in captured.items() if name in read}
    instance.tensors |= {tensor.name: tensor for tensor in named if tensor is not None and tensor.name}
    return instance


def _reads_boxed(node: Node, scope: Scope) -> bool:
    """Whether the node has to be run by itself, as no program holds what it reads."""
    return any(name in scope and is_boxed(scope[name].dtype) for name in node.inputs)


def _not_held(node: Node) -> DataNeeded:
    return DataNeeded(f"{node}: it computes with text, sequences or optional values, which no program holds")


def _chosen(node: Node, scope: Scope) -> Graph | None:
    """The branch of an If whose condition is known."""
    condition = scope.get(node.inputs[0]) if node.op == "If" and node.inputs else None
    if condition is None or condition.data is None:
        return None
    step_inputs = [condition]
    op = find(node.op)
    assert op is not None
    attrs = context_of(node, op, step_inputs).attrs
    branch: Graph = attrs["then_branch"] if condition.data.any() else attrs["else_branch"]
    return branch


def _stand_in(node: Node, scope: Scope, later: Later | None, taken: Callable[[str], bool]) -> Graph | None:
    """What is to be planned instead of the node, the same graph every time."""
    branch, op = _chosen(node, scope), find(node.op)
    parts = None if op is None or (op.runs_to_infer and later is None) else op.parts
    if branch is None and (parts is None or _is_known(node, scope)):
        return None
    key = id(node), id(branch)
    if later is not None and key in later.inlined:
        return later.inlined[key]
    if branch is not None:
        found = inlined(node, branch, taken)
    else:
        assert op is not None and parts is not None
        _check(op, node, scope)
        found = in_place(node, parts(node), taken)
    if later is not None:
        later.inlined[key] = found
    return found


def _check(op: Op, node: Node, scope: Scope) -> None:
    """ModelError where the node is none that its operator takes, which its parts would not know how to say."""
    check_attributes(op, node, op.attributes(node))
    if all(name in scope for name in node.inputs if name):
        with suppress(DataNeeded):
            infer_node(node, [scope[name] if name else None for name in node.inputs])


def _is_known(node: Node, scope: Scope) -> bool:
    return all(name in scope and scope[name].data is not None for name in node.inputs if name)


def fold_constants(graph: Graph, largest: int | None = None) -> Graph:
    """A graph without the nodes whose inputs are all constants, whatever the shapes of the graph's inputs.

    So each later `instantiate` finds the same arrays, and nothing is folded again for another input shape. The graph
    given is not changed. largest: results of more bytes are left to `instantiate`, which need not keep them. ModelError
    as of `instantiate`.
    """
    _refuse_unknown(graph)
    scope, nodes, folder = _constants(graph), [], Folder(graph.constant_bytes())
    for node in graph.nodes:
        constant = all(not name or name in scope for name in node.inputs) and not _reads_boxed(node, scope)
        if constant and not subgraphs(node):
            step = _infer(graph.values, node, scope, {})
            keep = largest is None or sum(tensor.size * tensor.dtype.itemsize for tensor in step.ctx.outputs) <= largest
            if keep and folder.fold(step):
                scope |= {tensor.name: tensor for tensor in step.ctx.outputs if tensor.name}
                continue
        nodes.append(node)
    used = {name for node in nodes for name in (*_reads(node), *node.outputs)} | {*graph.inputs, *graph.outputs}
    values = {name: value for name, value in graph.values.items() if name in used}
    for name in used & scope.keys():
        tensor = scope[name]
        values[name] = Value(name, tensor.dtype, tensor.shape, tensor.quant, tensor.data)
    return Graph(values, nodes, list(graph.inputs), list(graph.outputs), graph.name)


def _reads(node: Node) -> set[str]:
    return {*node.inputs, *outer_reads(node)} - {""}


def _refuse_unknown(graph: Graph) -> None:
    unknown = _unknown(graph)
    if unknown:
        listed = "".join(f"\n  {node}" for node in unknown)
        raise ModelError(f"{len(unknown)} nodes have operators that are not supported:{listed}")


def _unknown(graph: Graph) -> list[Node]:
    found, known = [], {op: find(op) is not None for op in {node.op for node in graph.nodes}}
    for node in graph.nodes:
        if not known[node.op]:
            found.append(node)
        found += [inner for subgraph in subgraphs(node) for inner in _unknown(subgraph)]
    return found


def _constants(graph: Graph) -> Scope:
    return {
        name: Tensor(name, value.data.shape, value.data.dtype, value.quant, value.data)
        for name, value in graph.values.items()
        if value.data is not None
    }


def _find(node: Node, name: str, scope: Scope) -> Tensor:
    if name not in scope:
        raise ModelError(f"{node}: input '{name}' is not computed by any earlier node")
    return scope[name]


def _define(step: Step, defined: set[str]) -> None:
    """Adds the names of the step's outputs, none of which may be there already."""
    for tensor in step.ctx.outputs:
        if tensor.name in defined:
            raise step.ctx.error(f"value '{tensor.name}' exists already")
        if tensor.name:
            defined.add(tensor.name)


def _infer(values: Mapping[str, Value], node: Node, scope: Scope, symbols: Mapping[str, int]) -> Step:
    """The node with outputs that bear the quantization of the graph's values and agree with what these say."""
    step = infer_node(node, [_find(node, name, scope) if name else None for name in node.inputs])
    for tensor in step.ctx.outputs:
        problem = declare(tensor, values.get(tensor.name), symbols)
        if problem:
            raise step.ctx.error(problem)
    return step


def _live(steps: list[Step], wanted: Iterable[str]) -> list[Step]:
    """The steps that the wanted values depend on."""
    needed, live = set(wanted), []
    for step in reversed(steps):
        if needed.intersection(step.node.outputs):
            live.append(step)
            needed |= _reads(step.node)
    return live[::-1]
