"""How an operator is declared. One operator is one file of this folder that calls `register`.

The NumPy reference is the specification: its positional parameters are the operator's inputs (an optional one
defaults to None), its keyword-only parameters are the attributes with their defaults.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from importlib import import_module
from math import prod
from typing import Any, NamedTuple

import msgspec
import numpy as np

from ..errors import ModelError
from ..graph import Attribute, Graph, Node, Quantization
from .location import files, files_of

Shape = tuple[int, ...]


class DataNeeded(ModelError):
    """A node's shapes depend on elements that are not known before running.

    tensor: whose elements, where these are few and knowing them suffices; None where the node has to be run.
    """

    def __init__(self, problem: str, tensor: str | None = None) -> None:
        super().__init__(problem)
        self.tensor = tensor


Inferred = tuple[Shape, np.dtype]


LONG = 2000
"""Characters of what is said of a node, which may name a list of any length."""
SIXTEEN = np.dtype(np.int16)


class Tensor(msgspec.Struct):
    """What is known of a value once every dimension is a number. data: set where the value is a constant."""

    name: str
    shape: Shape
    dtype: np.dtype
    quant: Quantization | None = None
    data: np.ndarray | None = None

    @property
    def size(self) -> int:
        return prod(self.shape)


class Context(msgspec.Struct):
    """One node as its operator sees it: concrete inputs, outputs (empty while shapes are inferred), attributes.

    found: the outputs' arrays, where inferring their shapes took computing them.
    """

    node: Node
    inputs: list[Tensor | None]
    outputs: list[Tensor] = msgspec.field(default_factory=list)
    attrs: dict[str, Attribute] = msgspec.field(default_factory=dict)
    found: list[np.ndarray] | None = None

    def input(self, index: int) -> Tensor:
        """The input at index; ModelError where the node lacks it."""
        tensor = self.optional(index)
        if tensor is None:
            raise self.error(f"input {index} is missing")
        return tensor

    def optional(self, index: int) -> Tensor | None:
        return self.inputs[index] if index < len(self.inputs) else None

    def constant(self, index: int) -> np.ndarray:
        """The data of an input that says shapes, axes or sizes; DataNeeded where it is known only at run time."""
        tensor = self.input(index)
        if tensor.data is None:
            problem = f"input '{tensor.name}' must be a constant, so that shapes are known before running"
            raise DataNeeded(f"{self.node}: {problem}", tensor.name)
        return tensor.data

    def elements(self, index: int) -> np.ndarray:
        """The data of an input whose every element the output's shape depends on; DataNeeded as of `constant`."""
        tensor = self.input(index)
        if tensor.data is None:
            raise DataNeeded(f"{self.node}: its output's shape depends on run-time data")
        return tensor.data

    def optional_constant(self, index: int) -> np.ndarray | None:
        return None if self.optional(index) is None else self.constant(index)

    def error(self, problem: str) -> ModelError:
        return ModelError(f"{self.node}: {problem if len(problem) <= LONG else problem[:LONG] + ' ...'}")

    def computed(self, make: Callable[[], Sequence[np.ndarray]]) -> list[Inferred]:
        """What `infer` gives of outputs of which nothing can be said before they are computed, as make does."""
        try:
            self.found = list(make())
        except (ArithmeticError, LookupError, ValueError) as problem:
            raise self.error(f"cannot be computed on these inputs: {problem}") from problem
        return [(array.shape, array.dtype) for array in self.found]

    @property
    def quantized(self) -> bool:
        """Whether the node computes on quantized integers (some data input or output carries a scale)."""
        return any(t is not None and t.quant is not None for t in (*self.inputs, *self.outputs))

    @property
    def narrow(self) -> bool:
        """Whether all quantized data are of 8 bits and `uniform`, as integer implementations and kernels compute with.
        Others are computed as real numbers."""
        sixteen = any(
            t is not None and t.quant is not None and t.dtype == SIXTEEN for t in (*self.inputs, *self.outputs)
        )
        return not sixteen and self.uniform

    @property
    def uniform(self) -> bool:
        """Whether all quantized data have one scale each. Further inputs that are constants, weights, may have several:
        each operator says along which axis."""
        data = (*self.inputs[:1], *(t for t in self.inputs[1:] if t is not None and t.data is None), *self.outputs)
        return all(t is None or t.quant is None or t.quant.axis is None for t in data)


Infer = Callable[[Context], Sequence[Inferred]]


class Cost(NamedTuple):
    """What running a node's reference takes, about. work: elementary operations, each about a nanosecond of a PC's
    core. scratch: bytes of memory beyond the node's inputs and outputs."""

    work: int
    scratch: int = 0


class Op(msgspec.Struct, frozen=True, eq=False, dict=True):
    """One operator, and all that rewrites, shape rules and lowerings have to know of it.

    reference: NumPy implementation on real numbers (or on any dtype that the operator takes).
    infer: shapes and dtypes of the outputs from a Context; raises ModelError on bad input.
    quantized: integer implementation `(ctx, *arrays) -> array(s)` of quantized int8 tensors; None: inputs are
        dequantized, the reference runs in float32 and its outputs are quantized.
    macs: multiply-adds of one node.
    cost: of the reference, where that is more than a few operations for each element of the inputs and outputs; see
        evaluate/cost.py.
    work: multiply-adds that take as long as one element by the operator's function in kernels/functions.py; None where
        there is none.
    data: which inputs hold data; others hold parameters such as axes. By default the first, or all of them where they
        broadcast or any number of them is taken.

    What it does with elements, of which a new operator names all that hold:
    elementwise: each element of the output is a function of the one in its place in the first input, and of parameters
        that are the same for all elements. So Transposes and Reshapes move past it.
    broadcasts: the inputs broadcast against each other, and each element of the output is a function of those in its
        place. So Transposes and Reshapes of any of them move past it.
    keeps_shape: the first output has the first input's shape. Elementwise operators do.
    along_axis: each line along the axis that the attribute `axis` names becomes another, whatever the other axes are.
    reduces: the axes that the second input lists become 1 or are dropped, by the attributes `keepdims` and
        `noop_with_empty_axes`.
    moves_data: each element of the output is one of the data inputs' elements, chosen by place or by order, so that
        quantized tensors pass through unchanged (where input and output carry the same quantization).
    rearranges: it moves data, and each element of the first input comes out once.
    non_negative: no real number that it gives is below zero.
    shape_only: the result depends on the input's shape and dtype alone.
    decompresses: models store weights in what it reads, to make them larger on loading.
    runs_to_infer: `infer` computes the results, as nothing else says their shapes; `cost` asks for inputs alone then.
    parts: nodes of other operators that give the same outputs, most of which have kernels, and are planned in the
        node's place. The graph's values are what lies between them, and constants.
    text: its inputs may be text. sequences: they may be sequences of tensors or optional values.
    runs_graphs: the reference is a generator: it yields a graph of its attributes with the arrays of its inputs, and is
        sent the arrays of its outputs. See evaluate/control.py.
    """

    name: str
    reference: Callable[..., Any]
    infer: Infer
    quantized: Callable[..., Any] | None = None
    macs: Callable[[Context], int] | None = None
    cost: Callable[[Context], Cost] | None = None
    work: int | None = None
    data: tuple[int, ...] = ()
    elementwise: bool = False
    broadcasts: bool = False
    keeps_shape: bool = False
    along_axis: bool = False
    reduces: bool = False
    moves_data: bool = False
    rearranges: bool = False
    non_negative: bool = False
    shape_only: bool = False
    decompresses: bool = False
    runs_to_infer: bool = False
    parts: Callable[[Node], Graph] | None = None
    text: bool = False
    sequences: bool = False
    runs_graphs: bool = False

    def __post_init__(self) -> None:
        for flag, implied in (("elementwise", "keeps_shape"), ("rearranges", "moves_data")):
            if getattr(self, flag):
                msgspec.structs.force_setattr(self, implied, True)

    @property
    def fuses_activation(self) -> bool:
        """Whether the operator computes the activation that its attributes name with its result."""
        return "activation" in self.defaults

    @property
    def reads_text(self) -> bool:
        """Whether the operator looks at the characters of text, and does more than hand it on."""
        return self.text and not (self.moves_data or self.shape_only or self.sequences)

    def data_inputs(self, node: Node) -> list[str]:
        """Those of the node's inputs that hold data."""
        if not self.data and (self.broadcasts or self.arity[1] is None):
            return node.inputs
        return [node.inputs[index] for index in self.data or (0,) if index < len(node.inputs)]

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
        if "" in node.inputs[:fewest]:
            raise ModelError(f"{node}: input {node.inputs.index('')} is missing, which {self.name} needs")
        attrs = dict(self.defaults)
        if not attrs and not node.attrs:
            return attrs
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
    if name in _ops:
        return _ops[name]
    for file in files_of(name):
        if name in _ops:
            break
        import_module(f".{file}", __package__)
    return _ops.get(name)


def names() -> list[str]:
    """Every operator there is, in the order of the alphabet. Imports all their files."""
    for file in sorted(files()):
        import_module(f".{file}", __package__)
    return sorted(_ops)
