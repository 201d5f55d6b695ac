"""Nodes of an ONNX graph -> nodes of ours: dispatch to handlers, subgraphs, initializers."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TypeVar

import numpy as np
import onnx

from ...runtime.errors import ModelError
from ...runtime.graph import Graph, Value
from ...runtime.ops.registry import find
from ..refusal import Refused
from . import flags, integer_types, sequences, texts
from .attributes import value_of
from .builder import Builder
from .call import Call
from .functions import inline, local_function, schema_function
from .generic import pass_through
from .handlers import Handler, find_handler
from .job import Job, Unsupported
from .order import arrange, reads
from .reader import MAX_OPSET
from .schemas import find_schema
from .scope import Scope, describe, label, operator
from .tensors import is_narrow
from .types import Hint, hints, input_hint

T = TypeVar("T")


def initializers(graph: onnx.GraphProto, job: Job) -> dict[str, np.ndarray]:
    """The graph's constants by name. ModelError: nameless, doubled or damaged ones."""
    found: dict[str, np.ndarray] = {}

    def places(tensor: onnx.TensorProto) -> np.ndarray:
        return texts.places_of(job.stored.text(tensor))[0]

    for tensor in graph.initializer:
        text = tensor.data_type == onnx.TensorProto.STRING
        _add(found, tensor.name, tensor, places if text else job.stored.dense, job)
    for sparse in graph.sparse_initializer:
        _add(found, sparse.values.name, sparse, job.stored.sparse, job)
    return found


def _add(found: dict[str, np.ndarray], name: str, tensor: T, read: Callable[[T], np.ndarray], job: Job) -> None:
    if not name or name in found:
        raise job.error(f"two initializers are named '{name}'" if name else "an initializer has no name")
    try:
        found[name] = read(tensor)
    except ModelError as error:
        raise job.error(str(error)) from None


def import_graph(
    proto: onnx.GraphProto,
    scope: Scope,
    constants: Mapping[str, np.ndarray],
    fed: Sequence[np.dtype | None] = (),
) -> Graph:
    """Fills scope's graph from proto. fed: dtypes of what the node around a subgraph gives to its inputs."""
    job, graph = scope.job, scope.builder.graph
    given = {name for node in proto.node for name in node.output}
    scope.hints = hints((*(info for info in proto.value_info if info.name in given), *proto.output))
    for position, info in enumerate(proto.input):
        if info.name in constants:
            continue
        if not info.name:
            raise job.error("an input has no name")
        hint = input_hint(info, job.label) if scope.outer is None else hints([info]).get(info.name, Hint())
        dtype = hint.dtype or (fed[position] if position < len(fed) else None)
        if dtype is None:
            raise Unsupported(f"input '{info.name}' of its subgraph '{proto.name}' has no supported element type")
        name = scope.define(info.name)
        scope.builder.define(Value(name, dtype, hint.shape))
        _note(job, name, info.type.tensor_type.elem_type)
        graph.inputs.append(name)
    stored = {tensor.name: tensor for tensor in proto.initializer}
    for name, array in constants.items():
        inner = scope.define(name)
        scope.builder.define(Value(inner, array.dtype, array.shape, data=array))
        tensor = stored.get(name, onnx.TensorProto())
        _note(job, inner, tensor.data_type)
        if tensor.data_type == onnx.TensorProto.STRING:
            job.texts[inner] = texts.places_of(job.stored.text(tensor))[1]
    wanted = [info.name for info in proto.output]
    if len(set(wanted)) != len(wanted) or "" in wanted:
        raise job.error(f"an output has no name or is listed twice: {wanted}")
    import_nodes(scope, proto.node, wanted)
    for name in wanted:
        found = scope.find(name)
        if found is None:
            raise job.error(f"nothing produces the output '{name}'")
        if scope.outer is not None and found in job.texts:
            found = texts.written(scope, found)
        if scope.outer is not None or found in job.sequences:
            found = sequences.as_declared(scope, found, scope.hint(name).dtype)
        graph.outputs.append(found)
    if scope.outer is None:
        graph.outputs = _named(scope, wanted, texts.named_apart(scope, graph.outputs))
    return graph


def _named(scope: Scope, wanted: Sequence[str], found: Sequence[str]) -> list[str]:
    """The model's outputs, each under its own name where that is free."""
    outputs = []
    for name, value in zip(wanted, found, strict=True):
        if value != name and scope.builder.value(name) is None:
            scope.builder.emit("Identity", [value], [name], {}, name)
            value = name
        outputs.append(value)
    return outputs


def _note(job: Job, name: str, code: int) -> None:
    """Keeps the ONNX element type of a value that is held in a wider one."""
    if is_narrow(code):
        job.narrow[name] = code


def import_nodes(scope: Scope, nodes: Iterable[onnx.NodeProto], outputs: Iterable[str]) -> None:
    wanted = list(outputs)
    ordered = arrange(list(nodes), wanted, scope.job)
    used = set(wanted).union(*map(reads, ordered))
    for node in ordered:
        scope.job.count_node()
        import_node(scope, node, used)


def import_node(scope: Scope, node: onnx.NodeProto, used: set[str]) -> None:
    """Converts one node; used: names that anything reads, other results of the node are left out.

    What cannot be converted is noted in the job, and its results are defined nonetheless, so that all such nodes
    are found.
    """
    job, builder = scope.job, scope.builder
    domain = "" if node.domain == "ai.onnx" else node.domain
    inputs = [scope.resolve(name, node) for name in node.input]
    outputs = [scope.define(name) if name in used else "" for name in node.output]
    call = Call(
        scope=scope,
        op=node.op_type,
        version=scope.opsets.get(domain, 0),
        name=scope.inside(node.name or next((name for name in node.output if name), node.op_type)),
        inputs=inputs,
        outputs=list(outputs),
        hints=[scope.hint(name) for name in node.output],
        attrs={},
    )
    mark = builder.mark()
    try:
        call.attrs = _attributes(node, job)
        _convert(call, node, domain)
        texts.follow(call, domain)
        if node.op_type == "Constant":
            for attr in node.attribute:
                _note(job, outputs[0], attr.t.data_type)
        for name in outputs:
            if name and builder.value(name) is None and name not in job.sequences:
                raise Unsupported(f"its result '{name}' is not supported")
    except Unsupported as reason:
        builder.rollback(mark)
        inside = f" (inside of {scope.prefix.rstrip('/')})" if scope.prefix else ""
        job.problems.append(Refused(operator(node), f"'{label(node)}'{inside}", str(reason)))
        for name, hint in zip(outputs, (scope.hint(name) for name in node.output), strict=True):
            if name:
                builder.define(Value(name, hint.dtype or np.dtype(np.float32), hint.shape))


def import_subgraph(call: Call, proto: onnx.GraphProto, fed: Sequence[np.dtype | None]) -> Graph:
    """A graph that an attribute of the node holds; it sees the values around the node. fed: dtypes of its inputs."""
    scope = call.scope
    inner = Scope(
        Builder(scope.job, scope.builder, proto.name),
        scope.opsets,
        outer=scope,
        prefix=scope.prefix,
        depth=scope.depth + 1,
    )
    return import_graph(proto, inner, initializers(proto, scope.job), fed)


def _convert(call: Call, node: onnx.NodeProto, domain: str) -> None:
    """By the first that exists: the model's own function, a handler, an operator of the same form, the operator's
    definition in terms of others."""
    own = local_function(call, node, domain)
    if own is not None:
        inline(call, own, import_nodes)
        return
    texts.prepare(call, domain)
    sequences.prepare(call, domain)
    flags.check(call, domain)
    integer_types.check(call, domain)
    if not domain:
        _check_version(call)
    elif domain not in call.scope.opsets:
        raise Unsupported(f"the model imports no operator set '{domain}'")
    handler: Handler | None = find_handler(domain, call.op, call.version)
    if handler is None and not domain and find(call.op) is not None:
        handler = pass_through
    mark = call.builder.mark()
    reason: Unsupported | None = None
    if handler is not None:
        try:
            handler(call)
            return
        except Unsupported as problem:
            call.builder.rollback(mark)
            reason = problem
    body = schema_function(call, node, domain)
    if body is None:
        raise reason or Unsupported
    problems = len(call.scope.job.problems)
    inline(call, body, import_nodes)
    if reason is not None and len(call.scope.job.problems) > problems:
        del call.scope.job.problems[problems:]
        raise reason


def _check_version(call: Call) -> None:
    """Unsupported: an operator of a version that this converter cannot know."""
    if not call.version:
        raise Unsupported("the model imports no ai.onnx operator set")
    if call.version <= MAX_OPSET:
        return
    newest = onnx.defs.onnx_opset_version()
    if newest < call.version:
        raise Unsupported(
            f"operator set {call.version} is newer than {MAX_OPSET}, the newest supported, and the installed onnx "
            f"package (up to {newest}) cannot tell what has changed"
        )
    schema = find_schema(call.op, call.version)
    if schema is not None and schema.since_version > MAX_OPSET:
        raise Unsupported(f"its form of operator set {schema.since_version}; supported are forms up to {MAX_OPSET}")


_NAN_IN = frozenset(("ConstantOfShape", "TreeEnsemble"))
"""Operators that take NaN for what it is, or as a mark."""


def _attributes(node: onnx.NodeProto, job: Job) -> dict[str, object]:
    found: dict[str, object] = {}
    for attr in node.attribute:
        if attr.name in found:
            raise Unsupported(f"attribute '{attr.name}' is given twice")
        try:
            found[attr.name] = value_of(attr, job.stored, allow_nan=node.op_type in _NAN_IN)
        except ModelError as error:
            if node.op_type == "Constant":
                raise job.error(f"{describe(node)}: {error}") from None
            raise Unsupported(str(error)) from None
    return found
