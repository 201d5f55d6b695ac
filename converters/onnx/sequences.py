"""Sequences of tensors and optional values whose lengths are known at conversion: lists of values, of which the graph
itself knows nothing. All others are values of the graph (runtime/boxed.py)."""

from __future__ import annotations

import numpy as np

from ...runtime.boxed import TEXT, is_boxed, is_optional, name_of
from .call import Call
from .job import Unsupported
from .scope import Scope

OPERATORS = frozenset(
    {"ConcatFromSequence", "Identity", "OptionalGetElement", "OptionalHasElement", "SequenceAt", "SequenceErase"}
    | {"SequenceInsert", "SequenceLength", "Optional"}
)
"""Those that read sequences or optional values, and look at the lists themselves."""
GRAPHS = frozenset({"If", "Loop", "Scan", "SequenceMap"})
"""Those that hand them to graphs, where they are values."""


def of(call: Call, index: int = 0) -> list[str] | None:
    """The values of the sequence at an input; None where that is a value of the graph. Unsupported: it is absent."""
    return call.scope.job.sequences.get(call.input(index))


def items(call: Call, index: int = 0) -> list[str]:
    """As `of`; Unsupported where the input is no sequence."""
    found = of(call, index)
    if found is None:
        raise Unsupported(f"its input '{call.input(index)}' is no sequence")
    return found


def item_dtype(call: Call, index: int = 0) -> np.dtype | None:
    """Of the tensors of the sequence at an input."""
    return call.scope.job.item_dtypes.get(call.input(index))


def finish(call: Call, found: list[str], dtype: np.dtype | None = None) -> None:
    """The node's result is a sequence of these values. dtype: of its tensors, where there are none."""
    job, name = call.scope.job, call.outputs[0]
    job.sequences[name] = found
    dtype = call.value(found[0]).dtype if found else dtype
    if dtype is not None:
        job.item_dtypes[name] = dtype


def boxed(scope: Scope, name: str) -> str:
    """The graph's value for a sequence of known length, or for an optional value that is absent."""
    job, key = scope.job, (name, id(scope.builder.graph))
    if key in job.written:
        return job.written[key]
    items, dtype = job.sequences[name], job.item_dtypes.get(name, np.dtype(np.float32))
    found = job.unique(f"{name}.value")
    op = "Optional" if job.absent.get(name, False) else "SequenceConstruct"
    scope.builder.emit(op, items, [found], {"dtype": name_of(dtype)}, found)
    job.written[key] = found
    return found


def optional(scope: Scope, name: str) -> str:
    """The value as an optional one."""
    value = scope.builder.value(name)
    if value is None or is_optional(value.dtype):
        return name
    found = scope.job.unique(f"{name}.optional")
    scope.builder.emit("Optional", [name], [found], {"dtype": name_of(value.dtype)}, found)
    return found


def as_declared(scope: Scope, name: str, declared: np.dtype | None) -> str:
    """A value that is handed from one graph to another: one of the graph's, optional where that is declared."""
    if name in scope.job.sequences:
        name = boxed(scope, name)
    return optional(scope, name) if declared is not None and is_optional(declared) else name


def prepare(call: Call, domain: str) -> None:
    """Before the node is converted: values for the lists that it reads. Unsupported where it takes a sequence for a
    tensor."""
    if domain or call.op not in OPERATORS:
        for index, name in enumerate(call.inputs):
            if name in call.scope.job.sequences:
                if domain or call.op not in GRAPHS:
                    raise Unsupported(f"its input '{name}' is a sequence of tensors")
                call.inputs[index] = boxed(call.scope, name)


def as_value(call: Call, index: int = 0) -> str:
    """An input as a value of the graph."""
    name = call.input(index)
    return boxed(call.scope, name) if name in call.scope.job.sequences else name


def reads_value(call: Call, index: int = 0) -> bool:
    """Whether the input is a sequence or an optional value of the graph."""
    if not call.has(index) or call.inputs[index] in call.scope.job.sequences:
        return False
    dtype = call.dtype(index)
    return is_boxed(dtype) and dtype != TEXT
