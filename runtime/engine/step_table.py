"""A program encoded for the step loop: one block of int32 with the records of all steps, then their parameters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..compiler.abi import Address, encode
from ..kernels.execute import RECORD_WORDS
from ..program.bounds import OutOfBounds, int32
from ..program.program import Call, Jump, Program, PythonStep
from ..program.view import Place


@dataclass(frozen=True, slots=True)
class Segment:
    """Steps that run without coming back to Python: records start <= i < stop, or one Python step. first: its place
    among the program's steps. jump: of its last step, where it leads beyond the segment."""

    first: int
    start: int
    stop: int
    python: PythonStep | None = None
    jump: Jump | None = None


@dataclass(frozen=True, slots=True)
class StepTable:
    words: np.ndarray
    segments: list[Segment]


def encode_program(program: Program, offsets: Mapping[str, int], signatures: Mapping[str, str]) -> StepTable:
    """offsets, signatures: of each kernel, by name, in the code that will run the table.

    OverflowError, naming the node, where a number does not fit the table.
    """
    steps = program.steps
    calls = [(index, step) for index, step in enumerate(steps) if isinstance(step, Call)]
    records = np.zeros((len(calls), RECORD_WORDS), np.int32)
    params: list[int] = []
    first = records.size
    for record, (index, call) in zip(records, calls, strict=True):
        grains = -(-call.chunks // call.grain) if call.grain else 1
        numbers = offsets[call.name], 4 * (first + len(params)), call.chunks, call.grain, grains
        try:
            record[:5] = int32("a field of the table of steps", numbers)
            if call.jump is not None and not _leaves(steps, index, call.jump):
                flag = call.jump.flag.storage.offset + call.jump.flag.offset
                record[3:] = np.array([flag], np.uint32).view(np.int32)[0], 1, call.jump.to - index - 1
            params += encode(signatures[call.name], {name: _resolve(value) for name, value in call.arguments.items()})
        except (OverflowError, OutOfBounds) as problem:
            raise OverflowError(f"{call.node}: {problem}") from problem
    return StepTable(np.concatenate([records.reshape(-1), np.array(params, np.int32)]), _segments(steps))


def _leaves(steps: Sequence[Call | PythonStep], index: int, jump: Jump) -> bool:
    """Whether Python has to see to a jump, as it is made by a step of NumPy's or leads past one."""
    return any(isinstance(step, PythonStep) for step in steps[index : jump.to])


def _resolve(value: Any) -> Any:
    if isinstance(value, Place):
        assert value.storage.offset >= 0, "a storage without its place in the arena"
        return Address(value.storage.base, value.storage.offset + value.offset)
    return value


def _segments(steps: Sequence[Call | PythonStep]) -> list[Segment]:
    leaving = {i: s.jump for i, s in enumerate(steps) if s.jump is not None and _leaves(steps, i, s.jump)}
    ends = {index + 1 for index in leaving} | {jump.to for jump in leaving.values()} | {len(steps)}
    segments: list[Segment] = []
    start = record = first = 0
    for index, step in enumerate(steps):
        if isinstance(step, Call):
            record += 1
        elif record > start:
            segments.append(Segment(first, start, record))
            start, first = record, index
        if isinstance(step, PythonStep):
            segments.append(Segment(index, record, record, step, leaving.get(index)))
            start, first = record, index + 1
        elif index + 1 in ends:
            segments.append(Segment(first, start, record, jump=leaving.get(index)))
            start, first = record, index + 1
    return segments
