"""Runs softmax kernels on the memory of NumPy arrays."""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable
from ctypes import addressof, c_char
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from ..device_profiles import usable_cpus
from .compiler.abi import Address, Kernel
from .compiler.build import build
from .compiler.cache import default_cache
from .compiler.executable import ExecutableMemoryError
from .engine import STEP_LOOP, target_of, warn_slow
from .kernels import softmax_split as split
from .kernels.softmax import softmax_f32
from .kernels.softmax_statistics import statistics
from .native import function
from .ops import softmax as reference
from .planner.program import Call, Program
from .planner.view import Place, Storage
from .softmax_choice import choose, streams
from .table import encode_program
from .team import Team

if TYPE_CHECKING:
    from .compiler.loader import Code
    from .compiler.target import Target

X, Y, STATE, CODE, TABLE, BASES, CONTROL, REGISTERS = 0, 1, 2, 3, 4, 5, 6, 8
"""Base registers."""
PARTS_PER_THREAD, LEAST_PART = 8, 8192
"""Parts of a row that threads share; elements of one."""
SHARED = 32768
"""Elements from which on threads share the work."""
KEPT = 64
"""Calls that are kept ready by each thread."""
BRIEF = 100_000
"""Elements below which a call keeps the GIL, as it ends before another thread could have taken it."""


class Key(NamedTuple):
    """What a call is prepared for: rows of n float32. streaming: whether stores bypass the caches; None, and the
    algorithm "auto", are resolved when it is prepared."""

    rows: int
    n: int
    algorithm: str
    log: bool
    streaming: bool | None
    threads: int


class _Ready(NamedTuple):
    """bases: the base registers of each thread."""

    call: Callable[[], None]
    bases: list[np.ndarray]


class StatisticsKey(NamedTuple):
    """What a call for statistics is prepared for."""

    rows: int
    n: int
    k: int
    threads: int


def run(x: np.ndarray, y: np.ndarray, key: Key) -> None:
    """Softmax along the last axis of x to y, which may be x; both contiguous and not empty."""
    if not _run(x, y, key):
        y[...] = reference.log_softmax(x) if key.log else reference.softmax(x)


def run_statistics(x: np.ndarray, records: np.ndarray, k: int, threads: int) -> bool:
    """Fills the records of kernels/softmax_statistics.py; False where there is no machine code."""
    n = x.shape[-1]
    return _run(x, records, StatisticsKey(x.size // n, n, k, threads))


def _run(x: np.ndarray, y: np.ndarray, key: Key | StatisticsKey) -> bool:
    try:
        ready = _local.calls[key]
    except KeyError:
        ready = _prepared(key)
    if ready is None:
        return False
    for bases in ready.bases:
        bases[X], bases[Y] = _address(x), _address(y)
    ready.call()
    return True


def _address(array: np.ndarray) -> int:
    """Of a contiguous array: NumPy's own ways to say it take longer than the softmax of a thousand elements."""
    if array.flags.writeable:
        return addressof(c_char.from_buffer(array))  # type: ignore[arg-type]
    return int(array.__array_interface__["data"][0])


class _Local(threading.local):
    """Calls and helper threads belong to one Python thread, as base registers do."""

    def __init__(self) -> None:
        self.calls: OrderedDict[Key | StatisticsKey, _Ready | None] = OrderedDict()
        self.teams: dict[int, Team] = {}


_local = _Local()


def forget() -> None:
    """Lets go of what this thread has prepared: the target is looked up anew."""
    _local.__init__()  # type: ignore[misc]


def _prepared(key: Key | StatisticsKey) -> _Ready | None:
    """None where there is no machine code."""
    ready = _local.calls[key] = _prepare(key)
    if len(_local.calls) > KEPT:
        _local.calls.popitem(last=False)
    return ready


def _prepare(key: Key | StatisticsKey) -> _Ready | None:
    target = target_of(os.environ.get("MILLIJOULE_TARGET") or "host")
    if target is None:
        return None
    key = key._replace(threads=min(key.threads, usable_cpus()))
    steps, size = _steps(_resolved(key, target)) if isinstance(key, Key) else (_statistics_steps(key), 0)
    shared = any(step.grain for step in steps)
    program = Program(list(steps), {}, {}, 0, 0, 0, 0, shared)
    try:
        code = _code(target, program)
    except ExecutableMemoryError as problem:
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
    brief = key.rows * key.n < BRIEF
    if not shared:
        call = function(code, "execute.execute()", bases, arguments, 0, len(steps), brief=brief, alive=(table, state))
        return _Ready(call, list(bases))
    team = _local.teams.get(key.threads)
    if team is None:
        team = _local.teams[key.threads] = Team(np.zeros_like(bases), CONTROL, code)
    bases[:, CONTROL] = team.control
    arguments |= {"control": Address(CONTROL, 0), "threads": key.threads}
    lead = function(code, "execute.lead()", bases, arguments, 0, len(steps), alive=(table, state, team))

    def call_with_team() -> None:
        team.start()
        lead()

    return _Ready(call_with_team, list(bases))


def _resolved(key: Key, target: Target) -> Key:
    """With the algorithm and the kind of store that are chosen for it."""
    algorithm, streaming = key.algorithm, key.streaming
    if algorithm == "auto":
        algorithm, _ = choose(key.rows, key.n, key.log, target)
    if streaming is None:
        streaming = streams(key.rows, key.n, algorithm, target)
    return key._replace(algorithm=algorithm, streaming=streaming)


def _code(target: Target, program: Program) -> Code:
    return _built(target, tuple(sorted(program.kernels())), _Needed(program.kernels()))


class _Needed(dict[str, tuple[Kernel, Any]]):
    """Equal to any other, so that only the names beside it count."""

    def __hash__(self) -> int:  # type: ignore[override]
        return 0

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Needed)


@cache
def _built(target: Target, names: tuple[str, ...], needed: _Needed) -> Code:
    return build({**STEP_LOOP, **needed}, target, default_cache())


def _grain(rows: int, n: int, threads: int) -> int:
    """Rows that a thread takes at once; 0 where one thread takes all."""
    if threads == 1 or rows == 1 or rows * n < SHARED:
        return 0
    return max(1, rows // (threads * PARTS_PER_THREAD))


def _statistics_steps(key: StatisticsKey) -> list[Call]:
    rows, n, k, threads = key
    x, y = Place(Storage(0, X, 0), 0), Place(Storage(0, Y, 0), 0)
    return [Call(statistics, {}, rows, {"x": x, "y": y, "n": n, "k": k}, "softmax", _grain(rows, n, threads))]


def _steps(key: Key) -> tuple[list[Call], int]:
    """The calls, and how many bytes of state they share."""
    rows, n, algorithm, log, streaming, threads = key
    x, y = Place(Storage(0, X, 0), 0), Place(Storage(0, Y, 0), 0)
    if threads == 1 or log or rows >= 2 * threads or n < SHARED:
        constants = {"algorithm": algorithm, "log": log, "streaming": streaming}
        return [Call(softmax_f32, constants, rows, {"x": x, "y": y, "n": n}, "softmax", _grain(rows, n, threads))], 0
    part = max(LEAST_PART, -(-n // (threads * PARTS_PER_THREAD)))
    part = -(-part // 64) * 64
    parts = -(-n // part)
    state = Storage(0, STATE, 0)
    records, of_rows = Place(state, split.RECORD * rows), Place(state, 0)
    cut = {"n": n, "part": part, "parts": parts}
    chunks = rows * parts
    grain = max(1, chunks // (threads * PARTS_PER_THREAD))

    def over_parts(kernel: Kernel, constants: dict[str, Any], **arguments: Place) -> Call:
        return Call(kernel, constants, chunks, {**arguments, **cut}, "softmax", grain)

    def over_rows(kernel: Kernel, **arguments: Place | int) -> Call:
        return Call(kernel, {}, rows, {**arguments, "records": records, "rows": of_rows, "parts": parts}, "softmax")

    where: dict[str, Place] = {"x": x, "y": y, "rows": of_rows}
    if algorithm == "two-pass":
        steps = [
            over_parts(split.totals, {}, x=x, records=records),
            over_rows(split.join_totals, x=x, n=n),
            over_parts(split.write, {"streaming": streaming}, **where),
        ]
    else:
        keep = algorithm == "three-pass-reload"
        steps = [
            over_parts(split.peaks, {}, x=x, records=records),
            over_rows(split.join_peaks),
            over_parts(split.totals_below, {"keep": keep, "streaming": streaming}, records=records, **where),
            over_rows(split.join_below),
        ]
        if keep:
            steps.append(over_parts(split.scale, {"streaming": streaming}, y=y, rows=of_rows))
        else:
            steps.append(over_parts(split.write, {"streaming": streaming}, **where))
    return steps, split.RECORD * (rows + chunks)
