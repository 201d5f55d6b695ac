"""What a step's energy is: the board awake, busy cores, arithmetic and bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ...device_profiles import Energy
    from .work import Work


def joules_above_idle(work: Work, energy: Energy, seconds: float, cores: int, from_memory: float) -> float:
    """cores: how many are busy for so many seconds. from_memory: bytes that go to and from memory; all others that the
    step reads and writes are in caches."""
    arithmetic = energy.int8_pj.value if work.element == "i8" else energy.f32_pj.value
    cached = max(0.0, work.weight_bytes + work.data_bytes - from_memory)
    picojoules = work.macs * arithmetic + cached * energy.cache_pj.value + from_memory * energy.dram_pj.value
    return energy.core_watts.value * cores * seconds + picojoules * 1e-12
