"""Sequences of tensors and optional values whose lengths are known at conversion: lists of values, of which the graph
itself knows nothing."""

from __future__ import annotations

from .call import Call
from .job import Unsupported

OPERATORS = frozenset(
    {"ConcatFromSequence", "Identity", "OptionalGetElement", "OptionalHasElement", "SequenceAt", "SequenceErase"}
    | {"SequenceInsert", "SequenceLength", "Optional"}
)
"""Those that read sequences or optional values."""


def of(call: Call, index: int = 0) -> list[str] | None:
    """The values of the sequence at an input; None where that is a tensor. Unsupported where it is absent."""
    return call.scope.job.sequences.get(call.input(index))


def items(call: Call, index: int = 0) -> list[str]:
    """As `of`; Unsupported where the input is no sequence of known length."""
    found = of(call, index)
    if found is None:
        raise Unsupported(f"its input '{call.input(index)}' is no sequence whose length is known at conversion")
    return found


def finish(call: Call, found: list[str]) -> None:
    """The node's result is a sequence of these values."""
    call.scope.job.sequences[call.outputs[0]] = found


def check(call: Call, domain: str) -> None:
    """Unsupported where the node reads a sequence as if it were a tensor."""
    if domain or call.op not in OPERATORS:
        for name in call.inputs:
            if name in call.scope.job.sequences:
                raise Unsupported(f"its input '{name}' is a sequence of tensors")
