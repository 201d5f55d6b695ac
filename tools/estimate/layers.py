"""A model's steps as they were timed here or predicted, with the bytes that they go through and modelled energy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from ..measure.profile import profile_steps
from ..models.devices import session_profile
from ..models.plans import program_of
from ..report.run_parts import Layer
from .latency import Load, memory_bytes
from .power import joules_above_idle
from .work import NUMPY, work_of

if TYPE_CHECKING:
    from ...runtime.session import Session
    from .estimate import StepEstimate
    from .work import Work


def timed_layers(session: Session, feeds: Mapping[str, np.ndarray]) -> list[Layer]:
    """feeds: arrays by input name, of the shapes that are planned for. Energy is modelled where the profile of this
    computer, or of its board, has coefficients."""
    engine = session.engine
    program = program_of(engine, feeds)
    profile = session_profile(session)
    load = Load(engine.weights.used, program.arena_bytes, profile.cached)
    timed = profile_steps(session, feeds)
    found = []
    for work, step in zip(work_of(program, engine.target), timed, strict=True):
        seconds, joules = step["seconds"], None
        if profile.energy is not None:
            cores = min(engine.threads, work.parts)
            joules = joules_above_idle(work, profile.energy, seconds, cores, memory_bytes(work, load))
        found.append(_layer(work, step["kernel"], seconds, joules))
    return found


def predicted_layer(step: StepEstimate) -> Layer:
    kernel = None if step.work.kernel == NUMPY else step.work.kernel
    return _layer(step.work, kernel, step.seconds, step.joules)


def _layer(work: Work, kernel: str | None, seconds: float, joules: float | None) -> Layer:
    return Layer(
        index=work.index, operator=work.operator, node=work.node, kernel=kernel, macs=work.macs,
        weight_bytes=work.weight_bytes, data_bytes=work.data_bytes, seconds=seconds, joules_above_idle=joules,
    )  # fmt: skip
