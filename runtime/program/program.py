"""A planned model: kernel calls and NumPy steps in order, with every size and offset a number."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from ..compiler.abi import Kernel, kernel_name
from .view import Place, Storage, View


class Jump(msgspec.Struct, frozen=True):
    """Where a step leads that may leave others out: to step `to` where the four bytes at `flag`, in the arena, which it
    has written, are not all 0."""

    flag: Place
    to: int


class Lines(msgspec.Struct, frozen=True):
    """How a call can be made in parts: it goes over `count` lines, each of which lies so many bytes behind the one
    before in every place that `pitches` names; "x" is the place that it reads, "y" the one that it writes.

    counted: its numbers that say how many lines there are. chunks: of a line; 0 where chunks are not of lines. least:
    lines of a part, which costs least where it is a multiple of that.
    """

    count: int
    pitches: Mapping[str, int]
    counted: tuple[str, ...]
    chunks: int
    least: int = 1


class Call(msgspec.Struct):
    """One kernel call. places, numbers: its arguments by parameter name; calls that have the same numbers may share
    them. chunks: units of work that threads share. grain: fewest chunks worth handing to another thread, 0 where the
    step is too small to share. work: multiply-adds or bytes that are moved in all chunks together, as far as its
    lowering says. by_lines: None where it can only be made whole. part_of: the call that this is a part of, or the
    first of several that do the same for different parts. leads: see overlap.lead_of, of places that are read, by name,
    where the call goes over what it reads and writes in order."""

    kernel: Kernel
    constants: Mapping[str, Any]
    chunks: int
    places: dict[str, Place]
    numbers: Mapping[str, int | float]
    node: str
    grain: int = 0
    work: int = 0
    jump: Jump | None = None
    by_lines: Lines | None = None
    part_of: Call | None = None
    leads: Mapping[str, int] = msgspec.field(default_factory=dict)

    @property
    def name(self) -> str:
        return kernel_name(self.kernel, self.constants)


class Exits(msgspec.Struct, frozen=True):
    """Nodes that may make all nodes from them to the one named `to` unnecessary, by name. gates: which element of
    their output, of four bytes, says so by not being 0."""

    gates: Mapping[str, int]
    to: str


class PythonStep(msgspec.Struct):
    """A step that NumPy runs: reads views, returns the arrays that go into the output views."""

    run: Callable[[Sequence[np.ndarray | None]], Sequence[np.ndarray]]
    inputs: list[View | None]
    outputs: list[View]
    node: str
    jump: Jump | None = None


class Trap(msgspec.Struct, frozen=True):
    """What a kernel says that found what it cannot compute with: three int64 in the arena, of which the first is 0
    before a run and 1 where the others, which `problem` has places for, say what is wrong."""

    flag: View
    node: str
    problem: str


def touched(step: Call | PythonStep) -> Iterator[Storage]:
    """What a step reads and writes, also to tell where it leads."""
    if isinstance(step, Call):
        yield from (place.storage for place in step.places.values())
    else:
        yield from (view.storage for view in (*step.inputs, *step.outputs) if view is not None)
    if step.jump is not None:
        yield step.jump.flag.storage


class Program(msgspec.Struct):
    """Steps over an arena of arena_bytes, which is made of storages. lower_bound: see planner.arena. inputs, outputs:
    by public name. node_macs, node_elements: multiply-adds, and elements of the results, of each node that runs. times:
    how often each step runs, where that is not once. work: of one run, as Cost.work. stages: as how many programs, one
    after another, it runs, where what is computed depends on data."""

    steps: list[Call | PythonStep]
    inputs: dict[str, View]
    outputs: dict[str, View]
    arena_bytes: int
    lower_bound: int
    scratch_bytes: int
    macs: int
    shared: bool = False
    node_macs: dict[str, int] = msgspec.field(default_factory=dict)
    node_elements: dict[str, int] = msgspec.field(default_factory=dict)
    storages: list[Storage] = msgspec.field(default_factory=list)
    times: list[int] = msgspec.field(default_factory=list)
    work: int = 0
    stages: int = 0
    traps: list[Trap] = msgspec.field(default_factory=list)

    def layers(self) -> list[list[int]]:
        """The indices of the steps, those that are parts of one call together, in the order of the first of them."""
        found: dict[int, list[int]] = {}
        for index, step in enumerate(self.steps):
            whole = step.part_of if isinstance(step, Call) else None
            found.setdefault(id(step if whole is None else whole), []).append(index)
        return list(found.values())

    def kernels(self) -> dict[str, tuple[Kernel, Mapping[str, Any]]]:
        """Each one's factory and constants, by name. Most calls share their constants with others."""
        calls = {(step.kernel, id(step.constants)): step for step in self.steps if isinstance(step, Call)}
        return {step.name: (step.kernel, step.constants) for step in calls.values()}
