"""A program encoded for the step loop: one block of int32 with the records of all steps, then their parameters."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..compiler.abi import Address, encode
from ..kernels.execute import RECORD_WORDS
from ..program.bounds import OutOfBounds, int32
from ..program.program import Call, Program, PythonStep
from ..program.view import Place


@dataclass(frozen=True, slots=True)
class Segment:
    """Steps that run without coming back to Python: records start <= i < stop, or one Python step. first: its place
    among the program's steps."""

    first: int
    start: int
    stop: int
    python: PythonStep | None = None


@dataclass(frozen=True, slots=True)
class StepTable:
    words: np.ndarray
    segments: list[Segment]


def encode_program(program: Program, offsets: Mapping[str, int], signatures: Mapping[str, str]) -> StepTable:
    """offsets, signatures: of each kernel, by name, in the code that will run the table.

    OverflowError, naming the node, where a number does not fit the table.
    """
    calls = [step for step in program.steps if isinstance(step, Call)]
    records = np.zeros((len(calls), RECORD_WORDS), np.int32)
    params: list[int] = []
    first = records.size
    for record, call in zip(records, calls, strict=True):
        grains = -(-call.chunks // call.grain) if call.grain else 1
        numbers = offsets[call.name], 4 * (first + len(params)), call.chunks, call.grain, grains
        try:
            record[:5] = int32("a field of the table of steps", numbers)
            params += encode(signatures[call.name], {name: _resolve(value) for name, value in call.arguments.items()})
        except (OverflowError, OutOfBounds) as problem:
            raise OverflowError(f"{call.node}: {problem}") from problem
    return StepTable(np.concatenate([records.reshape(-1), np.array(params, np.int32)]), _segments(program))


def _resolve(value: Any) -> Any:
    if isinstance(value, Place):
        assert value.storage.offset >= 0, "a storage without its place in the arena"
        return Address(value.storage.base, value.storage.offset + value.offset)
    return value


def _segments(program: Program) -> list[Segment]:
    segments: list[Segment] = []
    start = record = first = 0
    for index, step in enumerate(program.steps):
        if isinstance(step, Call):
            record += 1
            continue
        if record > start:
            segments.append(Segment(first, start, record))
        segments.append(Segment(index, record, record, step))
        start, first = record, index + 1
    if record > start:
        segments.append(Segment(first, start, record))
    return segments
