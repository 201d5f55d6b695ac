"""How an operator is declared. One operator is one file of this folder that calls `register`.

The NumPy reference is the specification: its positional parameters are the operator's inputs (an optional one
defaults to None), its keyword-only parameters are the attributes with their defaults.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from importlib import import_module
from typing import Any

import numpy as np

from ..errors import ModelError
from ..graph import Attribute, Node, Quantization
from .catalogue import HOMES

Shape = tuple[int, ...]
Inferred = tuple[Shape, np.dtype]


@dataclass(slots=True)
class Tensor:
    """What is known of a value once every dimension is a number. data: set where the value is a constant."""

    name: str
    shape: Shape
    dtype: np.dtype
    quant: Quantization | None = None
    data: np.ndarray | None = None

    @property
    def size(self) -> int:
        return int(np.prod(self.shape, dtype=object))


@dataclass(slots=True)
class Context:
    """One node as its operator sees it: concrete inputs, outputs (empty while shapes are inferred), attributes."""

    node: Node
    inputs: list[Tensor | None]
    outputs: list[Tensor] = field(default_factory=list)
    attrs: dict[str, Attribute] = field(default_factory=dict)

    def input(self, index: int) -> Tensor:
        """The input at index; ModelError where the node lacks it."""
        tensor = self.optional(index)
        if tensor is None:
            raise self.error(f"input {index} is missing")
        return tensor

    def optional(self, index: int) -> Tensor | None:
        return self.inputs[index] if index < len(self.inputs) else None

    def constant(self, index: int) -> np.ndarray:
        """The data of a constant input; ModelError where it is known only at run time."""
        tensor = self.input(index)
        if tensor.data is None:
            raise self.error(f"input '{tensor.name}' must be a constant, so that shapes are known before running")
        return tensor.data

    def optional_constant(self, index: int) -> np.ndarray | None:
        return None if self.optional(index) is None else self.constant(index)

    def error(self, problem: str) -> ModelError:
        return ModelError(f"{self.node}: {problem}")

    @property
    def quantized(self) -> bool:
        """Whether the node computes on quantized integers (some data input or output carries a scale)."""
        return any(t is not None and t.quant is not None for t in (*self.inputs, *self.outputs))


Infer = Callable[[Context], Sequence[Inferred]]


@dataclass(frozen=True)
class Op:
    """One operator.

    reference: NumPy implementation on real numbers (or on any dtype that the operator takes).
    infer: shapes and dtypes of the outputs from a Context; raises ModelError on bad input.
    quantized: integer implementation `(ctx, *arrays) -> array(s)` of quantized int8 tensors; None: inputs are
        dequantized, the reference runs in float32 and its outputs are quantized.
    moves_data: the operator only copies elements, so quantized tensors pass through it unchanged
        (where input and output carry the same quantization).
    macs: multiply-adds of one node.
    """

    name: str
    reference: Callable[..., Any]
    infer: Infer
    quantized: Callable[..., Any] | None = None
    moves_data: bool = False
    macs: Callable[[Context], int] | None = None

    @cached_property
    def defaults(self) -> Mapping[str, Attribute]:
        """Attribute names and defaults; `inspect.Parameter.empty` where an attribute is required."""
        parameters = inspect.signature(self.reference).parameters.values()
        return {p.name: p.default for p in parameters if p.kind is p.KEYWORD_ONLY}

    @cached_property
    def arity(self) -> tuple[int, int | None]:
        """Fewest and most inputs; most is None for a variadic operator."""
        parameters = list(inspect.signature(self.reference).parameters.values())
        positional = [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
        variadic = any(p.kind is p.VAR_POSITIONAL for p in parameters)
        fewest = sum(p.default is p.empty for p in positional)
        return fewest, None if variadic else len(positional)

    def attributes(self, node: Node) -> dict[str, Attribute]:
        """The node's attributes over the defaults; ModelError on unknown or missing ones or a wrong input count."""
        fewest, most = self.arity
        count = len(node.inputs)
        if count < fewest or (most is not None and count > most):
            wanted = f"{fewest}" if fewest == most else f"{fewest} to {'any number' if most is None else most}"
            raise ModelError(f"{node}: has {count} inputs, but {self.name} takes {wanted}")
        attrs = dict(self.defaults)
        for name, value in node.attrs.items():
            if name not in attrs:
                raise ModelError(f"{node}: unknown attribute '{name}'; {self.name} takes {sorted(attrs) or 'none'}")
            attrs[name] = value
        missing = [name for name, value in attrs.items() if value is inspect.Parameter.empty]
        if missing:
            raise ModelError(f"{node}: attribute '{missing[0]}' is missing")
        return attrs


_ops: dict[str, Op] = {}


def register(op: Op) -> Op:
    if op.name in _ops:
        raise ValueError(f"operator {op.name} is registered twice")
    _ops[op.name] = op
    return op


def find(name: str) -> Op | None:
    """The operator of that name, whose file is imported when it is first asked for; None where there is none."""
    if name not in _ops and name in HOMES:
        import_module(f".{HOMES[name]}", __package__)
    return _ops.get(name)


def names() -> list[str]:
    """Every operator there is."""
    return sorted(HOMES)
