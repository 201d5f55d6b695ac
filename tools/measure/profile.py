"""Where the time of one inference goes, step by step."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from ...runtime.engine.engine import Engine
    from ...runtime.engine.staging import Staged
    from ...runtime.engine.workspace import Workspace
    from ...runtime.program.program import Program
    from ...runtime.session import Session

SECONDS = 0.3
LEAST_PASSES = 5


def describe_steps(program: Program) -> list[dict[str, Any]]:
    """Every step in order, of those that are parts of one call the whole: the node it belongs to, its operator, and its
    kernel (None: NumPy runs it); times: how often it runs, and strips: in how many parts, where that is more than
    once."""
    from ...runtime.program.program import Call

    seen: set[str] = set()
    steps = []
    for index, layer in enumerate(program.layers()):
        step = program.steps[layer[0]]
        operator, _, name = step.node.partition(" ")
        kernel = step.name if isinstance(step, Call) else None
        # A node may take several steps; its multiply-adds are counted once.
        macs = 0 if step.node in seen or _moves(kernel) else program.node_macs.get(step.node, 0)
        if macs:
            seen.add(step.node)
        steps.append({"index": index, "operator": operator, "node": name.strip("'"), "kernel": kernel, "macs": macs})
        if program.times and program.times[layer[0]] > 1:
            steps[-1]["times"] = program.times[layer[0]]
        if len(layer) > 1:
            steps[-1]["strips"] = len(layer)
    return steps


def profile_steps(session: Session, feeds: Mapping[str, np.ndarray], seconds: float = SECONDS) -> list[dict[str, Any]]:
    """`describe_steps` with the seconds of each step, which add up to about those of a whole inference, without that
    of calling it from Python. seconds: for how long they are timed."""
    from ...runtime.engine.workspace import Plan, Workspace
    from ...runtime.program.program import Call

    engine = session.engine
    plan = engine.plan({name: array.shape for name, array in feeds.items()}, ())
    arena = Workspace(engine.threads, engine.profile)
    arena.bind(plan)
    try:
        if isinstance(plan, Plan):
            program = plan.program
            whole, parts = _time(arena, feeds, len(program.steps), seconds)
        else:
            program, whole, parts = _time_staged(engine, plan, arena, feeds, seconds)
    finally:
        arena.close()
    native = [part for step, part in zip(program.steps, parts, strict=True) if isinstance(step, Call)]
    # Each call of a step from Python costs what one call of them all does, and no more than the shortest took.
    overhead = min(max(0.0, sum(parts) - whole) / max(1, len(native) - 1), min(native)) if native else 0.0
    steps = describe_steps(program)
    for step, layer in zip(steps, program.layers(), strict=True):
        more = 0.0 if step["kernel"] is None else overhead
        step["seconds"] = sum(parts[index] - more for index in layer)
    return steps


def show_steps(steps: Sequence[Mapping[str, Any]], *, only_numpy: bool = False) -> None:
    """A table of steps; their time, where it was measured, also as a share of the whole."""
    from ..report.display import duration, shorten, table

    timed = bool(steps) and "seconds" in steps[0]
    whole = sum(step["seconds"] for step in steps) if timed else 0.0
    rows = []
    for step in steps:
        if only_numpy and step["kernel"] is not None:
            continue
        kernel = "NumPy" if step["kernel"] is None else step["kernel"].partition("(")[0]
        times = f" x{step['times']}" if "times" in step else ""
        kernel += f" in {step['strips']} strips" if "strips" in step else ""
        row = [step["index"], step["operator"] + times, kernel, f"{step['macs']:,}" if step["macs"] else ""]
        if timed:
            row += [duration(step["seconds"]), f"{100 * step['seconds'] / whole:.1f} %" if whole else ""]
        rows.append([*row, shorten(step["node"])])
    columns = [">step", "operator", "kernel", ">multiply-adds", *([">time", ">share"] if timed else []), "node"]
    table("Steps that run in NumPy" if only_numpy else "Steps", columns, rows)


def _moves(kernel: str | None) -> bool:
    return kernel is not None and kernel.startswith("copy.")


def _time(arena: Workspace, feeds: Mapping[str, np.ndarray], count: int, seconds: float) -> tuple[float, list[float]]:
    """Median seconds of a whole inference, and of each step in passes over all of them, so that each finds its data."""
    _feed(arena, feeds)
    arena.execute()
    calls = [arena.step(index) for index in range(count)]
    wholes: list[float] = []
    parts: list[list[float]] = []
    until = time.perf_counter() + seconds
    while len(wholes) < LEAST_PASSES or time.perf_counter() < until:
        _feed(arena, feeds)
        wholes.append(_clock(arena.execute))
        _feed(arena, feeds)
        parts.append([_clock(call) for call in calls])
    return float(np.median(wholes)), np.median(np.array(parts).reshape(len(parts), count), axis=0).tolist()


def _time_staged(
    engine: Engine, plan: Staged, arena: Workspace, feeds: Mapping[str, np.ndarray], seconds: float
) -> tuple[Program, float, list[float]]:
    """All programs and nodes that run on these arrays, as one program, and what `_time` gives of it."""
    from ..models.staged import recorded

    _feed(arena, feeds)
    arena.execute()
    ran = recorded(engine, plan, feeds, timed=True)
    wholes: list[float] = []
    parts: list[list[float]] = []
    until = time.perf_counter() + seconds
    try:
        while len(wholes) < LEAST_PASSES or time.perf_counter() < until:
            wholes.append(_clock(arena.execute))
            ran.execute()
            parts.append(ran.seconds())
        program = ran.program()
    finally:
        ran.close()
    return program, float(np.median(wholes)), np.median(np.array(parts), axis=0).tolist()


def _feed(arena: Workspace, feeds: Mapping[str, np.ndarray]) -> None:
    for name, array in feeds.items():
        arena.inputs[name][...] = array


def _clock(call: Callable[[], None]) -> float:
    began = time.perf_counter_ns()
    call()
    return (time.perf_counter_ns() - began) * 1e-9
