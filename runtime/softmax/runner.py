"""Runs softmax kernels on the memory of NumPy arrays."""

from __future__ import annotations

import ctypes
import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ...device_profiles import usable_cpus
from ..compiler.abi import Address, Kernel
from ..compiler.build import build
from ..compiler.cache import default_cache
from ..engine.engine import needed_kernels, target_of, warn_slow
from ..engine.helpers import Helpers
from ..engine.native import DATA, function_of_arrays
from ..engine.step_table import encode_program
from ..errors import CompilerError
from ..kernels.execute import enter_with_arrays
from ..ops import softmax as reference
from ..program.program import Program
from ..system.executable import ExecutableMemoryError
from .choice import choose, crossover, profile, streams
from .steps import STATE, Key, StatisticsKey, X, Y, softmax_steps, statistics_steps

if TYPE_CHECKING:
    from ..compiler.loader import Code
    from ..targets.target import Target

CODE, TABLE, BASES, CONTROL, REGISTERS = 3, 4, 5, 6, 8
"""Base registers of the step loop, behind those of the steps; how many there are."""
EXECUTE = "execute.execute()"
ENTRY = {"execute.enter_with_arrays()": (enter_with_arrays, dict[str, Any]())}
KEPT = 64
"""Calls that are kept ready by each thread."""
BRIEF = 100_000
"""Elements below which a call keeps the GIL, as it ends before another thread could have taken it."""


class Ready(NamedTuple):
    """A call with everything but the arrays, which words 5 and 6 say; see native.function_of_arrays. alone: with no
    helper threads, so that word 9 tells of arrays that overlap."""

    call: Callable[[], None]
    words: memoryview
    alone: bool


def run(x: np.ndarray, y: np.ndarray, key: Key) -> Ready | None:
    """Softmax along the last axis of x to y, which may be x; both contiguous and not empty. Returns what did it; None
    where that was NumPy."""
    ready = ready_for(key)
    if ready is None:
        y[...] = reference.log_softmax(x) if key.log else reference.softmax(x)
    else:
        ready.words[5], ready.words[6] = id(x), id(y)
        ready.call()
    return ready


def run_statistics(x: np.ndarray, records: np.ndarray, k: int, threads: int) -> bool:
    """Fills the records of kernels/softmax_statistics.py; False where there is no machine code."""
    n = x.shape[-1]
    ready = ready_for(StatisticsKey(x.size // n, n, k, threads))
    if ready is not None:
        ready.words[5], ready.words[6] = id(x), id(records)
        ready.call()
    return ready is not None


class _Local(threading.local):
    """Calls and helper threads belong to one Python thread, as base registers do.

    known: calls by whatever their users find them by; emptied with the others.
    """

    def __init__(self) -> None:
        self.known: dict[object, Ready] = {}
        self.calls: OrderedDict[Key | StatisticsKey, Ready | None] = OrderedDict()
        self.teams: dict[int, Helpers] = {}


local = _Local()


def forget() -> None:
    """Lets go of what this thread has prepared: target and profile are looked up anew."""
    crossover.cache_clear()
    local.__init__()  # type: ignore[misc]


def ready_for(key: Key | StatisticsKey) -> Ready | None:
    """None where there is no machine code."""
    try:
        return local.calls[key]
    except KeyError:
        ready = local.calls[key] = _prepare(key)
        if len(local.calls) > KEPT:
            local.calls.popitem(last=False)
            local.known.clear()
        return ready


def _prepare(key: Key | StatisticsKey) -> Ready | None:
    target = target_of(os.environ.get("MILLIJOULE_TARGET") or "host")
    if target is None:
        return None
    key = key._replace(threads=min(key.threads, usable_cpus()))
    steps, size = softmax_steps(_resolved(key, target)) if isinstance(key, Key) else (statistics_steps(key), 0)
    shared = any(step.grain for step in steps)
    program = Program(list(steps), {}, {}, 0, 0, 0, 0, shared)
    try:
        code = _code(target, program)
    except (ExecutableMemoryError, CompilerError) as problem:
        warn_slow(problem)
        return None
    offsets = {name: kernel.offset for name, kernel in code.kernels.items()}
    signatures = {name: kernel.signature for name, kernel in code.kernels.items()}
    table, state = encode_program(program, offsets, signatures), np.zeros(size + 64, np.uint8)
    bases = np.zeros((key.threads, REGISTERS), np.uint64)
    bases[:, STATE], bases[:, CODE] = state.ctypes.data, code.base
    bases[:, TABLE], bases[:, BASES] = table.words.ctypes.data, bases.ctypes.data
    arguments: dict[str, Address | int] = {
        "code": Address(CODE, 0), "table": Address(TABLE, 0), "bases": Address(BASES, 0),
    }  # fmt: skip
    if not shared:
        brief = key.rows * key.n < BRIEF
        memory = table, state
        apart = 4 * key.rows * key.n if isinstance(key, Key) else 0
        call = function_of_arrays(code, EXECUTE, bases, arguments, len(steps), apart, brief=brief, alive=memory)
        return Ready(*call, alone=True)
    team = local.teams.get(key.threads)
    if team is None:
        team = local.teams[key.threads] = Helpers(np.zeros_like(bases), CONTROL, code, profile())
    bases[:, CONTROL] = team.control
    arguments |= {"control": Address(CONTROL, 0), "threads": key.threads}
    alive = table, state, team
    lead, words = function_of_arrays(code, "execute.lead()", bases, arguments, len(steps), 0, alive=alive)

    def call_with_team() -> None:
        for place, word in ((X, 5), (Y, 6)):
            bases[1:, place] = ctypes.c_uint64.from_address(words[word] + DATA).value
        team.start()
        lead()

    return Ready(call_with_team, words, alone=False)


def _resolved(key: Key, target: Target) -> Key:
    """With the algorithm and the kind of store that are chosen for it."""
    algorithm, streaming = key.algorithm, key.streaming
    if algorithm == "auto":
        algorithm, _ = choose(key.rows, key.n, key.log, target, key.threads)
    if streaming is None:
        streaming = streams(key.rows, key.n, algorithm, key.threads)
    return key._replace(algorithm=algorithm, streaming=streaming)


_codes: dict[tuple[Any, ...], Code] = {}
"""By target and names of kernels, for all threads."""


def _code(target: Target, program: Program) -> Code:
    needed: dict[str, tuple[Kernel, Any]] = {**ENTRY, **needed_kernels(program)}
    key = target, *sorted(needed)
    if key not in _codes:
        _codes[key] = build(needed, target, default_cache())
    return _codes[key]
