"""A model's latency, energy and memory on a device, step by step and in total."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...runtime.engine.fitting import memory_of
from ..models.memory_map import in_use
from ..models.plans import any_target, plan_program
from .latency import Load, memory_bytes, seconds_of, stage_seconds
from .power import joules_above_idle
from .work import Work, work_of

if TYPE_CHECKING:
    import numpy as np

    from ...device_profiles import Profile
    from ...runtime.model import Model
    from ...runtime.program.program import Program
    from ...runtime.targets.target import Target

INTERPRETER = 45 << 20
"""Bytes of Python, NumPy and this package, resident before a model is loaded (CPython 3.11 on x86-64)."""


@dataclass(frozen=True)
class StepEstimate:
    """joules: above idle; None where the profile knows no energy. in_use: bytes of the arena that hold something
    meanwhile."""

    work: Work
    seconds: float
    joules: float | None
    in_use: int


@dataclass(frozen=True)
class Estimate:
    """One inference on a device. joules: in all; joules_above_idle: without what the board takes anyway. memory: bytes
    by what for; the arena and the packed weights are exact."""

    profile: Profile
    target: str
    threads: int
    steps: list[StepEstimate]
    seconds: float
    sustained_seconds: float
    joules: float | None
    joules_above_idle: float | None
    memory: dict[str, int]

    @property
    def peak_bytes(self) -> int:
        return sum(self.memory.values())

    @property
    def fits(self) -> bool:
        limit = self.profile.free_memory
        return limit is None or self.peak_bytes - INTERPRETER <= limit


def estimate(
    model: Model,
    shapes: Mapping[str, tuple[int, ...]],
    profile: Profile,
    threads: int | None = None,
    known: Mapping[str, np.ndarray] | None = None,
) -> Estimate:
    """threads: the profile's by default. known: inputs that will have these elements, for what depends on them. Raises
    as planning does."""
    target = any_target(profile.target)
    count = min(threads or profile.threads, profile.cores)
    program, packed = plan_program(model, shapes, target, count, profile.softmax_bytes, profile.strip_bytes, known)
    return estimate_program(program, packed, profile, target, count)


def estimate_program(program: Program, packed: int, profile: Profile, target: Target | None, threads: int) -> Estimate:
    """Of a program that was planned for the target and so many threads. packed: bytes of its weights."""
    load = Load(packed, program.arena_bytes, profile.cached)
    around = 1e-6 * profile.invoke_us + program.stages * stage_seconds(profile)
    steps, sustained, energy = [], around, profile.energy
    layers, used = program.layers(), in_use(program)
    for work, layer in zip(work_of(program, target), layers, strict=True):
        times = program.times[layer[0]] if program.times else 1
        once = seconds_of(work, profile, threads, load)
        seconds, joules = times * once, None
        sustained += times * seconds_of(work, profile, threads, load, sustained=True)
        if energy is not None:
            cores = min(threads, work.parts)
            joules = times * joules_above_idle(work, energy, once, cores, memory_bytes(work, load))
        steps.append(StepEstimate(work, seconds, joules, max(used[index] for index in layer)))
    whole = around + sum(step.seconds for step in steps)
    above = None if energy is None else sum(step.joules or 0.0 for step in steps)
    total = None if energy is None or above is None else above + energy.idle_watts.value * whole
    memory = {**memory_of(program, packed, threads), "interpreter": INTERPRETER}
    name = "numpy" if target is None else target.name
    return Estimate(profile, name, threads, steps, whole, sustained, total, above, memory)
