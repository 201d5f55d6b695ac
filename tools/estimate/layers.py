"""A model's steps as they were timed here, with the bytes that they go through and the energy that is modelled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from ...device_profiles.schema import UNKNOWN_CACHE
from ..measure.profile import profile_steps
from ..models.devices import described
from ..report.run_parts import Layer
from .latency import Load, memory_bytes
from .power import joules_above_idle
from .work import work_of

if TYPE_CHECKING:
    from ...runtime.session import Session


def timed_layers(session: Session, feeds: Mapping[str, np.ndarray]) -> list[Layer]:
    """feeds: arrays by input name, of the shapes that are planned for. Energy is modelled where the profile of this
    computer, or of its board, has coefficients."""
    engine = session.engine
    plan = engine.plan({name: array.shape for name, array in feeds.items()}, ())
    profile, _ = described(engine.profile.name)
    last = profile.cluster.last_cache
    load = Load(engine.weights.used, plan.program.arena_bytes, UNKNOWN_CACHE if last is None else last.size)
    timed = profile_steps(session, feeds)
    found = []
    for work, step in zip(work_of(plan.program, engine.target), timed, strict=True):
        joules = None
        if profile.energy is not None:
            cores = min(engine.threads, work.parts)
            joules = joules_above_idle(work, profile.energy, step["seconds"], cores, memory_bytes(work, load))
        found.append(
            Layer(
                index=work.index,
                operator=work.operator,
                node=work.node,
                kernel=step["kernel"],
                macs=work.macs,
                weight_bytes=work.weight_bytes,
                data_bytes=work.data_bytes,
                seconds=step["seconds"],
                joules_above_idle=joules,
            )
        )
    return found
