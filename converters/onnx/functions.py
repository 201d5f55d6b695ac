"""Functions: operators that a model, or ONNX itself, defines in terms of other operators."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from onnx import defs, helper

from ...runtime.boxed import holds, is_sequence
from .call import Call
from .job import EXPANDED, EXPANDED_OF_A_NODE, MAX_DEPTH, MAX_NODES, Job, Unsupported
from .reader import MAX_OPSET, opsets
from .schemas import find_schema
from .scope import LONGEST_INSIDE, Scope

DOMAINS = ("", "ai.onnx.ml", "ai.onnx.preview")
"""Whose operators ONNX itself may define in terms of others."""
Key = tuple[str, str, str]
"""Of a function: its domain, name and overload."""
ImportNodes = Callable[[Scope, Iterable[onnx.NodeProto], Iterable[str]], None]


def collect(model: onnx.ModelProto, job: Job) -> None:
    """Notes the model's functions in the job. ModelError: two of one name, functions that call themselves or expand
    without bounds."""
    found = job.functions
    for function in model.functions:
        key = _key(function.domain, function.name, function)
        if key in found:
            raise job.error(f"two functions are named '{function.domain}.{function.name}'")
        found[key] = function
        job.gone_over[key] = _gone_over(function)
    if not found:
        return
    calls = {key: _calls(function.node) for key, function in found.items()}
    main = _calls(model.graph.node)
    written = len(main) + sum(map(len, calls.values()))
    job.most_nodes = min(MAX_NODES, EXPANDED + EXPANDED_OF_A_NODE * written)
    sizes: dict[Key, int] = {}

    def size(key: Key, depth: int) -> int:
        """Of a call: itself, and all nodes that it stands for."""
        if depth > MAX_DEPTH:
            raise job.error(f"function '{key[1]}' calls itself, or calls are nested more than {MAX_DEPTH} deep")
        if key not in sizes:
            sizes[key] = 1 + sum(size(call, depth + 1) if call in found else 1 for call in calls[key])
        return sizes[key]

    if sum(size(call, 0) if call in found else 1 for call in main) > job.most_nodes:
        raise job.too_many()


def _gone_over(function: onnx.FunctionProto) -> int:
    """Bytes that each call of a function goes over, besides what is handed to it."""
    listed = sum(map(len, (function.input, function.output, function.opset_import)))
    return 8 * listed + sum(len(node.name) + sum(map(len, (*node.input, *node.output))) for node in function.node)


def _calls(nodes: Iterable[onnx.NodeProto]) -> list[Key]:
    """What the nodes call, those of subgraphs too."""
    return [_key(node.domain, node.op_type, node) for node in _all_nodes(nodes)]


def _key(domain: str, name: str, proto: onnx.NodeProto | onnx.FunctionProto) -> Key:
    return ("" if domain == "ai.onnx" else domain, name, getattr(proto, "overload", ""))


def _all_nodes(nodes: Iterable[onnx.NodeProto]) -> Iterator[onnx.NodeProto]:
    for node in nodes:
        yield node
        for attr in node.attribute:
            for graph in _graphs(attr):
                yield from _all_nodes(graph.node)


def _graphs(attr: onnx.AttributeProto) -> list[onnx.GraphProto]:
    return [*([attr.g] if attr.HasField("g") else ()), *attr.graphs]


def local_function(call: Call, node: onnx.NodeProto, domain: str) -> tuple[onnx.FunctionProto, onnx.NodeProto] | None:
    """The model's own function that the node calls."""
    function = call.scope.job.functions.get(_key(domain, node.op_type, node))
    return None if function is None else (function, node)


def schema_function(call: Call, node: onnx.NodeProto, domain: str) -> tuple[onnx.FunctionProto, onnx.NodeProto] | None:
    """ONNX's definition of the node's operator in terms of others, if there is one."""
    schema: Any = find_schema(node.op_type, call.version, domain) if domain in DOMAINS else None
    if schema is None or any(attr.name not in schema.attributes for attr in node.attribute):
        return None
    if not domain and call.version > defs.onnx_opset_version():
        raise Unsupported(
            f"there is no such operator in millijoule, and the installed onnx package is too old (operator sets up to "
            f"{defs.onnx_opset_version()}) to express it by others"
        )
    body = b""
    plain = [version for version in schema.function_opset_versions if version <= MAX_OPSET]
    built = [version for version in schema.context_dependent_function_opset_versions if version <= MAX_OPSET]
    try:
        if plain:
            body = schema.get_function_with_opset_version(max(plain))
        elif built:
            types = [_type_of(call, name).SerializeToString() for name in call.inputs]
            body = schema.get_context_dependent_function_with_opset_version(max(built), node.SerializeToString(), types)
        return (onnx.FunctionProto.FromString(body), node) if body else None
    except (RuntimeError, ValueError, DecodeError, onnx.shape_inference.InferenceError) as error:
        raise Unsupported(f"ONNX's definition of it does not take this node: {error}") from None


def inline(call: Call, called: tuple[onnx.FunctionProto, onnx.NodeProto], import_nodes: ImportNodes) -> None:
    """Imports the function's body in place of the node."""
    function, node = called
    scope = call.scope
    if len(call.inputs) > len(function.input) or len(call.outputs) > len(function.output):
        raise Unsupported("the call has more inputs or outputs than the function")
    scope.job.count_copy(scope.job.gone_over.get(_key(function.domain, function.name, function), 0))
    given = _defaults(call, node) | {attr.name: attr for attr in (*function.attribute_proto, *node.attribute)}
    nodes = [_bound(inner, given, scope.job) if _refers(inner) else inner for inner in function.node]
    versions = opsets(function.opset_import, f"{scope.job.label}: function '{function.name}'")
    inner = Scope(
        scope.builder,
        {**scope.opsets, **versions},
        prefix=f"{call.name[-LONGEST_INSIDE:]}/",
        depth=scope.depth + 1,
    )
    inputs = list(call.inputs) + [""] * (len(function.input) - len(call.inputs))
    inner.names.update(zip(function.input, inputs, strict=True))
    pairs = [pair for pair in zip(function.output, call.outputs, strict=False) if pair[1]]
    inner.results = dict(pairs)
    import_nodes(inner, nodes, function.output)
    for formal, actual in pairs:
        if formal in function.input:
            call.builder.emit("Identity", [inner.resolve(formal, node)], [actual], {}, call.name)


def _defaults(call: Call, node: onnx.NodeProto) -> dict[str, onnx.AttributeProto]:
    """The defaults of the attributes of one of ONNX's own operators."""
    schema = find_schema(node.op_type, call.version) if node.domain in ("", "ai.onnx") else None
    if schema is None:
        return {}
    found = {name: attr.default_value for name, attr in schema.attributes.items() if attr.default_value.type}
    return {name: _named(value, name) for name, value in found.items()}


def _named(attr: onnx.AttributeProto, name: str) -> onnx.AttributeProto:
    copy = onnx.AttributeProto()
    copy.CopyFrom(attr)
    copy.name = name
    return copy


def _refers(node: onnx.NodeProto) -> bool:
    """Whether the node, or one in its subgraphs, refers to an attribute of the function around it."""
    return any(
        attr.ref_attr_name or any(_refers(inner) for graph in _graphs(attr) for inner in graph.node)
        for attr in node.attribute
    )


def _bound(node: onnx.NodeProto, given: Mapping[str, onnx.AttributeProto], job: Job) -> onnx.NodeProto:
    """The node with references to the function's attributes replaced by their values, in subgraphs too."""
    bound = onnx.NodeProto()
    bound.CopyFrom(node)
    del bound.attribute[:]
    references = [given[attr.ref_attr_name] for attr in node.attribute if attr.ref_attr_name in given]
    job.count_copy(node.ByteSize() + sum(attr.ByteSize() for attr in references))
    for attr in node.attribute:
        if attr.ref_attr_name:
            if attr.ref_attr_name not in given:
                continue
            bound.attribute.append(_named(given[attr.ref_attr_name], attr.name))
            continue
        copy = bound.attribute.add()
        copy.CopyFrom(attr)
        for graph in _graphs(copy):
            inner = [_bound(item, given, job) for item in graph.node]
            del graph.node[:]
            graph.node.extend(inner)
    return bound


def _type_of(call: Call, name: str) -> onnx.TypeProto:
    value = call.builder.value(name) if name else None
    if value is None:
        return onnx.TypeProto()
    if value.dtype.names is not None:
        return _boxed_type(value.dtype)
    code = call.scope.job.narrow.get(name) or helper.np_dtype_to_tensor_dtype(np.dtype(value.dtype))
    return helper.make_tensor_type_proto(code, value.shape)


def _boxed_type(dtype: np.dtype) -> onnx.TypeProto:
    if dtype.names is None:
        return helper.make_tensor_type_proto(helper.np_dtype_to_tensor_dtype(dtype), None)
    inner = _boxed_type(holds(dtype))
    return helper.make_sequence_type_proto(inner) if is_sequence(dtype) else helper.make_optional_type_proto(inner)
