"""A program encoded for the step loop: one block of int32 with the records of all steps, then their parameters."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Any

import msgspec
import numpy as np

from ..compiler.abi import WORD, Block
from ..kernels.execute import RECORD_WORDS
from ..program.bounds import OutOfBounds, check_int32
from ..program.program import Call, Jump, Program, PythonStep
from ..system.collection import no_collection


class Segment(msgspec.Struct, frozen=True):
    """Steps that run without coming back to Python: records start <= i < stop, or one Python step. first: its place
    among the program's steps. jump: of its last step, where it leads beyond the segment."""

    first: int
    start: int
    stop: int
    python: PythonStep | None = None
    jump: Jump | None = None


class StepTable(msgspec.Struct, frozen=True):
    words: np.ndarray
    segments: list[Segment]


@no_collection()
def encode_program(program: Program, offsets: Mapping[str, int], signatures: Mapping[str, str]) -> StepTable:
    """offsets, signatures: of each kernel, by name, in the code that will run the table.

    OverflowError, naming the node, where a number does not fit the table.
    """
    steps = program.steps
    leaving = _leaving(steps)
    assert all(storage.offset >= 0 for storage in program.storages), "a storage without its place in the arena"
    calls = [(index, step) for index, step in enumerate(steps) if isinstance(step, Call)]
    records, params = array(WORD), array(WORD)
    blocks: dict[tuple[Any, ...], Block] = {}
    first = len(calls) * RECORD_WORDS
    names: dict[tuple[Any, int], str] = {}
    for index, call in calls:
        grains = -(-call.chunks // call.grain) if call.grain else 1
        name = names.get((call.kernel, id(call.constants))) or call.name  # most share their constants with others
        names[call.kernel, id(call.constants)] = name
        record = [offsets[name], 4 * (first + len(params)), call.chunks, call.grain, grains, 0]
        try:
            for number in record:
                check_int32("a field of the table of steps", number)
            if call.jump is not None and index not in leaving:
                flag = call.jump.flag.storage.offset + call.jump.flag.offset
                record[3:] = int(np.array([flag], np.uint32).view(np.int32)[0]), 1, call.jump.to - index - 1
            records.extend(record)
            key = (name, id(call.numbers), *call.places)
            if key not in blocks:
                blocks[key] = Block(signatures[name], call.numbers, call.places)
            params += blocks[key].placed(
                (name, place.storage.base, place.storage.offset + place.offset) for name, place in call.places.items()
            )
        except (OverflowError, OutOfBounds) as problem:
            raise OverflowError(f"{call.node}: {problem}") from problem
    assert len(records) == first
    return StepTable(np.array(records + params, np.int32), _segments(steps, leaving))


def _leaving(steps: Sequence[Call | PythonStep]) -> dict[int, Jump]:
    """The jumps that Python has to see to, by the step that makes them: it is one of NumPy's, or they lead past one."""
    jumps = {index: step.jump for index, step in enumerate(steps) if step.jump is not None}
    before = [0, *accumulate(isinstance(step, PythonStep) for step in steps)] if jumps else []
    return {index: jump for index, jump in jumps.items() if before[jump.to] > before[index]}


def _segments(steps: Sequence[Call | PythonStep], leaving: Mapping[int, Jump]) -> list[Segment]:
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
