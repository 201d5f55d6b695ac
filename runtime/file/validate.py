"""Proves that a graph is one that the planner can trust: every name, order, dtype, shape, attribute and scale,
and that no integers are taken for what they do not mean."""

from __future__ import annotations

import numpy as np

from ..boxed import DTYPES, TEXT, is_boxed, name_of, text_of
from ..errors import InputError, ModelError
from ..graph import Graph, Node, Quantization, Value, subgraphs
from ..ops import attribute_types, meaning, registry
from . import schema

NAN_CHUNK = 1 << 20

Scopes = tuple[set[str], ...]
"""What each of the graphs around a graph has produced so far, the outermost first."""


def validate(graph: Graph) -> None:
    """ModelError that names the first node or value at fault."""
    if len(set(graph.outputs)) != len(graph.outputs):
        raise ModelError("the graph names one output twice")
    _Validation().graph(graph, ())
    meaning.check(graph)


class _Validation:
    """Looks at each array once, however many values and attributes share it."""

    def __init__(self) -> None:
        self._sound = set[tuple[str, int]]()
        self._nodes = 0

    def _new(self, role: str, data: np.ndarray) -> bool:
        """Whether nobody has asked this of the array yet."""
        key = role, id(data)
        found = key not in self._sound
        self._sound.add(key)
        return found

    def graph(self, graph: Graph, outer: Scopes) -> None:
        if len(outer) >= schema.MAX_DEPTH:
            raise ModelError(f"graphs are nested deeper than {schema.MAX_DEPTH}")
        names = schema.NAMES_OF_A_NODE
        self._nodes += sum(1 + max(0, len(node.inputs) + len(node.outputs) - names) for node in graph.nodes)
        if self._nodes > schema.MAX_NODES:
            raise ModelError(
                f"it has more than {schema.MAX_NODES} nodes, which is the most that a file may have; what a node reads "
                f"and gives beyond {names} values counts as nodes"
            )
        for name, value in graph.values.items():
            if name != value.name:
                raise ModelError(f"value '{value.name}' is filed under '{name}'")
            self._value(value)
        known = {name for name, value in graph.values.items() if value.data is not None}
        for name in graph.inputs:
            if name not in graph.values:
                raise ModelError(f"input '{name}' of the graph is not declared")
            _produce(name, f"input '{name}'", known)
        for node in graph.nodes:
            self._node(node, graph, known, outer)
        for name in graph.outputs:
            if not _readable(name, graph, known, outer):
                raise ModelError(f"output '{name}' of the graph is produced by no node")

    def _node(self, node: Node, graph: Graph, known: set[str], outer: Scopes) -> None:
        op = registry.find(node.op)
        if op is None:
            raise ModelError(f"{node}: there is no operator {node.op!r}; a newer millijoule may know it")
        attribute_types.check(op, node, op.attributes(node))
        for value in node.attrs.values():
            if isinstance(value, np.ndarray):
                self._array(str(node), value)
        for name in node.inputs:
            if name and not _readable(name, graph, known, outer):
                raise ModelError(f"{node}: input '{name}' is not produced by an earlier node")
        for inner in subgraphs(node):
            self.graph(inner, (*outer, known))
        for name in node.outputs:
            if name and name not in graph.values:
                raise ModelError(f"{node}: output '{name}' is not declared")
            if name:
                _produce(name, str(node), known)

    def _value(self, value: Value) -> None:
        what = f"value '{value.name}'"
        if DTYPES.get(name_of(value.dtype)) != value.dtype:
            raise ModelError(f"{what}: dtype {value.dtype} is not supported")
        if value.shape is not None:
            _validate_shape(what, value.shape, value.dtype)
        if value.data is not None:
            if value.data.dtype != value.dtype or value.data.shape != value.shape:
                raise ModelError(
                    f"{what} is declared {value.dtype} of shape {value.shape}, "
                    f"but its data is {value.data.dtype} of shape {value.data.shape}"
                )
            if is_boxed(value.dtype):
                self._boxed(what, value.data)
            else:
                self._array(what, value.data)
        if value.quant is not None:
            self._quantization(what, value, value.quant)

    def _boxed(self, what: str, data: np.ndarray) -> None:
        if data.dtype != TEXT:
            raise ModelError(f"{what} is {name_of(data.dtype)}, which no constant can be")
        whole = data.base if isinstance(data.base, np.ndarray) and data.base.size == data.size else data
        if not self._new("data", whole):
            return
        try:
            text_of(data)
        except InputError as problem:
            raise ModelError(f"{what}: {problem}") from None
        if any(not isinstance(item, str) for item in data.reshape(-1)):
            raise ModelError(f"{what} holds bytes in the place of text")

    def _array(self, what: str, data: np.ndarray) -> None:
        if not self._new("data", data):
            return
        if data.dtype not in schema.SUPPORTED:
            raise ModelError(f"{what}: dtype {data.dtype} is not supported")
        _validate_shape(what, data.shape, data.dtype)
        if has_nan(data):
            raise ModelError(f"{what} holds a NaN")
        if data.dtype == np.bool_ and data.size and data.view(np.uint8).max() > 1:
            raise ModelError(f"{what} holds booleans that are neither 0 nor 1")

    def _quantization(self, what: str, value: Value, quant: Quantization) -> None:
        if value.dtype not in schema.QUANTIZED:
            raise ModelError(f"{what}: {name_of(value.dtype)} cannot be quantized")
        length: int | str = 1
        if quant.axis is not None:
            if value.shape is None or not 0 <= quant.axis < len(value.shape):
                raise ModelError(f"{what}: quantization axis {quant.axis} is not one of shape {value.shape}")
            length = value.shape[quant.axis]
        if quant.scale.dtype != np.float32 or quant.zero_point.dtype != np.int32:
            raise ModelError(f"{what}: scales must be float32 and zero points int32")
        if quant.scale.shape != (length,) or quant.zero_point.shape != (length,):
            raise ModelError(f"{what}: it takes {length} scales and as many zero points along axis {quant.axis}")
        if self._new("scale", quant.scale) and not (np.isfinite(quant.scale) & (quant.scale > 0)).all():
            raise ModelError(f"{what}: every scale must be finite and above 0")
        if self._new(str(value.dtype), quant.zero_point):
            limits = np.iinfo(value.dtype)
            points = quant.zero_point if quant.zero_point.strides != (0,) else quant.zero_point[:1]
            if ((points < limits.min) | (points > limits.max)).any():
                raise ModelError(f"{what}: a zero point is out of the range of {value.dtype}")


def _readable(name: str, graph: Graph, known: set[str], outer: Scopes) -> bool:
    """A graph's own value hides an outer one of its name even before it is produced."""
    return name in known or (name not in graph.values and any(name in scope for scope in outer))


def _produce(name: str, producer: str, known: set[str]) -> None:
    if name in known:
        raise ModelError(f"{producer}: '{name}' has a value already")
    known.add(name)


def _validate_shape(what: str, shape: tuple[int | str, ...], dtype: np.dtype) -> None:
    if len(shape) > schema.MAX_RANK:
        raise ModelError(f"{what}: rank {len(shape)} is above {schema.MAX_RANK}")
    for dim in shape:
        sound = bool(dim) if isinstance(dim, str) else isinstance(dim, int) and 0 <= dim <= schema.MAX_DIM
        if not sound:
            raise ModelError(f"{what}: {dim!r} is no dimension")
    if schema.byte_size(shape, dtype) > schema.MAX_TENSOR_BYTES:
        raise ModelError(f"{what}: shape {shape} needs more than {schema.MAX_TENSOR_BYTES} bytes")


def has_nan(data: np.ndarray) -> bool:
    """Whether a float array holds a NaN, without a temporary of its size."""
    if data.dtype.kind != "f" or not data.size:
        return False
    if data.dtype != np.float16:
        with np.errstate(invalid="ignore"):
            return bool(np.isnan(data.min()))
    # NumPy compares float16 one by one; its bits compare as integers.
    bits = np.ascontiguousarray(data).reshape(-1).view(np.uint16)
    return any((bits[at : at + NAN_CHUNK] & 0x7FFF).max() > 0x7C00 for at in range(0, bits.size, NAN_CHUNK))
