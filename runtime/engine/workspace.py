"""The memory that one inference works in, and the helper threads that serve it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import msgspec
import numpy as np

from ...device_profiles import Profile
from ..compiler.abi import Address
from ..compiler.loader import Code
from ..errors import Error, ModelError
from ..program.apart import Apart
from ..program.bounds import SLACK
from ..program.program import Jump, Program, PythonStep, Trap
from ..program.view import View
from ..program.weights import Weights
from ..system.memory import LARGE, zeros
from . import guards
from .helper_trial import HelperTrial
from .native import function
from .step_table import StepTable

if TYPE_CHECKING:
    from .helpers import Helpers
    from .staging import Opened, Staged

_REGISTERS = 8
_CODE, _TABLE, _BASES, _CONTROL = 3, 4, 5, 6
"""Base registers behind the arena's, the weights' and the scratch memory's: what the step loop itself is given."""
BRIEF_WORK = 1_000_000
"""Programs below so many multiply-adds and bytes to pass over keep the GIL: they end before another thread could have
taken it."""
LIFTED, LIFTED_EACH = 32 << 20, 1 << 20
"""Bytes of all outputs from which on those of so many bytes are lifted out of the arena: what is less, C's allocator
puts where pages have been touched before, so that a copy takes no longer."""
FLIP = np.int8(-128)
_NOTHING = np.empty(0, np.uint8)


class Plan(msgspec.Struct, frozen=True, eq=False):
    """A program with everything needed to run it. apart: see engine/guards.py."""

    program: Program
    table: StepTable
    code: Code | None
    weights: Weights
    apart: Apart | None = None


class Workspace:
    """Memory for the programs of one session, used by one thread at a time.

    Binding a plan fixes its addresses and makes NumPy views of its inputs and outputs.
    """

    def __init__(self, threads: int, profile: Profile) -> None:
        self._profile = profile
        self.plan: Plan | Staged | None = None
        self.inputs: dict[str, np.ndarray] = {}
        self.outputs: dict[str, np.ndarray] = {}
        self._memory = self._scratch = _NOTHING
        self._bases = np.zeros((threads, _REGISTERS), np.uint64)
        self._helpers: Helpers | None = None
        self._opened: Opened | None = None
        self._lifted: dict[str, tuple[int, int]] = {}
        self.execute: Callable[[], None] = _unbound
        """Runs the bound plan on what its inputs hold. Another thread may `close` the workspace meanwhile."""

    @property
    def _planned(self) -> Plan:
        """The bound plan, of one program."""
        assert isinstance(self.plan, Plan)
        return self.plan

    @property
    def ran(self) -> tuple[int, bool]:
        """The multiply-adds of the latest run of the bound plan, and whether helpers may have shared it."""
        of = self._opened or self._planned.program
        return of.macs, of.shared

    def bind(self, plan: Plan | Staged) -> None:
        """Makes the plan the one that `execute` runs; what the workspace held before is lost.

        Raises Error where the system does not grant the memory.
        """
        if plan is self.plan:
            return
        self._forget()
        if not isinstance(plan, Plan):
            self.plan, self._opened = plan, plan.open(lambda: Workspace(len(self._bases), self._profile))
            self.inputs, self.outputs, self.execute = self._opened.inputs, self._opened.outputs, self._opened.execute
            return
        program, threads = plan.program, len(self._bases)
        if plan.apart is None:
            self._memory = _at_least(self._memory, program.arena_bytes + SLACK)
            page = self._profile.page_bytes
            stride = -(-(program.scratch_bytes + SLACK) // page) * page if program.scratch_bytes else 0
            self._scratch = _at_least(self._scratch, stride * threads)
            self._bases[:, 2] = self._scratch.ctypes.data + stride * np.arange(threads, dtype=np.uint64)
        else:
            self._memory = plan.apart.memory()
            self._scratch, self._bases[:, 2] = guards.scratch(program.scratch_bytes, threads)
        self._bases[:, 0] = self._memory.ctypes.data
        self._bases[:, 1] = plan.weights.address
        self._bases[:, _CODE] = 0 if plan.code is None else plan.code.base
        self._bases[:, _TABLE] = plan.table.words.ctypes.data
        self._bases[:, _BASES] = self._bases.ctypes.data
        if program.shared and threads > 1 and self._helpers is None:
            from .helpers import Helpers  # which one thread does without

            assert plan.code is not None
            self._helpers = Helpers(self._bases, _CONTROL, plan.code, self._profile)
        self.plan = plan
        self.inputs = {name: self.array(view) for name, view in program.inputs.items()}
        self.outputs = {name: self.array(view) for name, view in program.outputs.items()}
        self._lifted = _lifted(program)
        self.execute = self._all(shared=program.shared and self._helpers is not None)
        if program.shared and self._helpers is not None:
            self.execute = HelperTrial(self.execute, self._all(shared=False))
        if program.traps:
            self.execute = _trapped(self.execute, [(self.array(trap.flag), trap) for trap in program.traps])
        if plan.apart is not None:
            kept = [view.storage for view in program.inputs.values()]
            self.execute = guards.guarded(self.execute, plan.apart, self._memory, kept, [*self.outputs.values()])

    def step(self, index: int) -> Callable[[], None]:
        """One step of the bound plan alone, for measurements."""
        for segment in self._planned.table.segments:
            if segment.python is not None and segment.first == index:
                return self._python(segment.python)
            record = segment.start + index - segment.first
            if segment.first <= index and record < segment.stop:
                return self._native(record, record + 1, self._planned.program.shared and self._helpers is not None)
        raise IndexError(index)

    def array(self, view: View) -> np.ndarray:
        """The elements that a program's view describes, as stored."""
        memory = self._planned.weights.memory if view.constant else self._memory
        if view.size == 0:
            return np.empty(view.shape, view.dtype)
        return np.ndarray(view.shape, view.dtype, memory.data, view.storage.offset + view.offset, view.strides)

    def results(self) -> dict[str, np.ndarray]:
        """New arrays of what `execute` left in the outputs, which may be zeros after this."""
        if not self._lifted:
            return {name: array.copy() for name, array in self.outputs.items()}
        from ..system.lifting import lift  # which few models need

        # Copies come first: what they read may be part of what is lifted.
        found = {name: array.copy() for name, array in self.outputs.items() if name not in self._lifted}
        for name, (first, end) in self._lifted.items():
            array, taken = self.outputs[name], lift(self._memory, first, end)
            found[name] = array.copy() if taken is None else taken.view(array.dtype).reshape(array.shape)
        return {name: found[name] for name in self.outputs}

    def close(self) -> None:
        """Ends the helper threads and lets go of the memory, which views handed out may still hold."""
        self._forget()
        self._memory = self._scratch = _NOTHING
        if self._helpers is not None:
            self._helpers.close()
            self._helpers = None

    def _forget(self) -> None:
        if self._opened is not None:
            self._opened.close()
            self._opened = None
        self.plan, self.execute = None, _unbound
        self.inputs, self.outputs, self._lifted = {}, {}, {}

    def _all(self, shared: bool) -> Callable[[], None]:
        """The whole program, with helpers or without."""
        segments = self._planned.table.segments
        runs = [self._python(s.python) if s.python else self._native(s.start, s.stop, shared) for s in segments]
        jumps = [self._leap(segment.jump) for segment in segments]
        if any(jump is not None for jump in jumps):
            runs = [_with_jumps(runs, jumps)]
        if shared and self._helpers is not None:
            runs.insert(0, self._helpers.start)
        return runs[0] if len(runs) == 1 else _in_turn(runs)

    def _leap(self, jump: Jump | None) -> tuple[np.ndarray, int] | None:
        """The flag of a jump that leaves a segment, and the number of the segment that it leads to."""
        if jump is None:
            return None
        place = jump.flag.storage.offset + jump.flag.offset
        segments = self._planned.table.segments
        to = next((number for number, segment in enumerate(segments) if segment.first >= jump.to), len(segments))
        return np.ndarray((1,), np.int32, buffer=self._memory.data, offset=place), to

    def _native(self, start: int, stop: int, shared: bool) -> Callable[[], None]:
        program, code = self._planned.program, self._planned.code
        assert code is not None
        arguments: dict[str, Address | int] = {
            "code": Address(_CODE, 0), "table": Address(_TABLE, 0), "bases": Address(_BASES, 0),
        }  # fmt: skip
        kernel = "execute.execute()"
        if shared:
            kernel = "execute.lead()"
            arguments |= {"control": Address(_CONTROL, 0), "threads": len(self._bases)}
        brief = program.macs + len(program.steps) * program.arena_bytes < BRIEF_WORK
        alive = self._planned, self._memory, self._scratch, self._helpers
        return function(code, kernel, self._bases, arguments, start, stop, brief=brief, alive=alive)

    def _python(self, step: PythonStep) -> Callable[[], None]:
        inputs = [None if view is None else (self.array(view), view.flipped) for view in step.inputs]
        outputs = [(self.array(view), view.flipped) for view in step.outputs]

        def run() -> None:
            arrays = [None if item is None else (item[0] ^ FLIP if item[1] else item[0]) for item in inputs]
            for (place, flipped), result in zip(outputs, _results(step, arrays), strict=False):
                place[...] = result ^ FLIP if flipped else result

        return run


def _lifted(program: Program) -> dict[str, tuple[int, int]]:
    """The bytes of the arena of those outputs that `results` lifts out of it: large, without gaps and apart."""
    if sum(view.size * view.itemsize for view in program.outputs.values()) < LIFTED:
        return {}
    whole = [(name, view) for name, view in program.outputs.items() if view.contiguous and not view.constant]
    starts = sorted((view.storage.offset + view.offset, view.size * view.itemsize, name) for name, view in whole)
    found, free = dict[str, tuple[int, int]](), 0
    for first, size, name in starts:
        if first >= free and size >= LIFTED_EACH:
            free = first + size
            found[name] = first, free
    return found


def _unbound() -> None:
    raise Error("a workspace without a plan has nothing to execute")


def _in_turn(runs: Sequence[Callable[[], None]]) -> Callable[[], None]:
    """Each of them keeps alive what it works with."""

    def execute() -> None:
        for run in runs:
            run()

    return execute


def _with_jumps(
    runs: Sequence[Callable[[], None]], jumps: Sequence[tuple[np.ndarray, int] | None]
) -> Callable[[], None]:
    """Each of them, but those that a jump leaves out."""

    def execute() -> None:
        at = 0
        while at < len(runs):
            runs[at]()
            jump = jumps[at]
            at = jump[1] if jump is not None and jump[0][0] else at + 1

    return execute


def _trapped(run: Callable[[], None], traps: Sequence[tuple[np.ndarray, Trap]]) -> Callable[[], None]:
    """ModelError where a kernel says that it could not compute what it was given."""

    def execute() -> None:
        for flag, _ in traps:
            flag[0] = 0
        run()
        for flag, trap in traps:
            if flag[0]:
                problem = trap.problem.format(*flag[1:].tolist())
                raise ModelError(f"{trap.node} cannot be computed on these inputs: {problem}")

    return execute


def _results(step: PythonStep, arrays: Sequence[np.ndarray | None]) -> Sequence[np.ndarray]:
    """ModelError, naming the node, where the arrays are not what it can compute with, such as an index out of range."""
    try:
        return step.run(arrays)
    except (Error, ArithmeticError, LookupError, ValueError) as problem:
        raise ModelError(f"{step.node} cannot be computed on these inputs: {problem}") from problem


def _at_least(memory: np.ndarray, size: int) -> np.ndarray:
    return memory if memory.size >= size else zeros(size, huge=size >= LARGE)
