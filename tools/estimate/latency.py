"""How long a step takes on a device: its loops, its memory, and what it takes to start and to share it."""

from __future__ import annotations

from dataclasses import dataclass
from operator import mul
from statistics import median
from typing import TYPE_CHECKING, Final

import msgspec

from ...device_profiles import KernelCost
from .work import NUMPY

if TYPE_CHECKING:
    from ...device_profiles import Profile
    from .work import Work

REFERENCE_MHZ: Final = 3000
"""Where the clock is not known. Measured costs are relative to it, so that it cancels out."""
COMPUTE: Final = 1.35
"""Of the estimated cycles of a kernel's loops, on devices where it was not measured."""
CHUNK_CYCLES, CALL_CYCLES, NUMPY_CALL_CYCLES = 60, 120, 30_000
DEFAULT_GBPS: Final = 5.0
BALANCE: Final = 0.9
"""Of the threads' time that goes into grains."""


@dataclass(frozen=True)
class Load:
    """What one program asks of a device's memory. weights, arena: bytes that an inference goes through."""

    weights: int
    arena: int
    cache: int
    """Bytes that stay in the last cache."""

    @property
    def weights_from_memory(self) -> float:
        """The part of the weights that the last cache has lost since the last inference."""
        return self.weights_beyond(self.cache)

    def weights_beyond(self, cache: int) -> float:
        """The part of the weights that a cache of that size has lost since the last inference: none where everything
        fits, and all where twice the cache is gone through."""
        return min(1.0, max(0.0, (self.weights + self.arena - cache) / cache)) if cache else 0.0

    def data_from_memory(self, data: int) -> float:
        """The part of a step's activations that does not stay in the last cache."""
        return min(1.0, max(0.0, (data - self.cache) / self.cache))


def clock(profile: Profile, sustained: bool = False) -> float:
    """Hz of the first cluster; sustained: once the device is as warm as it gets."""
    mhz: float = profile.cluster.mhz or REFERENCE_MHZ
    if sustained and profile.thermal is not None and profile.thermal.sustained_mhz is not None:
        mhz = min(mhz, profile.thermal.sustained_mhz.value)
    return mhz * 1e6


def cost_of(profile: Profile, work: Work) -> KernelCost:
    """As measured of its kind or its kernel; else as of those that were, or from cycles that are alike on all
    devices."""
    found = profile.kernels.get(work.kind) or profile.kernels.get(work.kernel)
    if found is not None:
        return found
    cycle_ns = 1e9 / clock(profile)
    if work.kernel == NUMPY:
        return KernelCost(compute=1.0 if profile.kernels else COMPUTE, call_ns=NUMPY_CALL_CYCLES * cycle_ns)
    if profile.kernels:
        alike = list(profile.kernels.values())
        compute, spill, call = (median(getattr(c, name) for c in alike) for name in ("compute", "spill_ns", "call_ns"))
        return KernelCost(compute=compute, spill_ns=spill, call_ns=call)
    return KernelCost(compute=COMPUTE, ends=COMPUTE, chunk_ns=CHUNK_CYCLES * cycle_ns, call_ns=CALL_CYCLES * cycle_ns)


def stage_seconds(profile: Profile) -> float:
    """What each program of a model whose shapes depend on data takes besides its steps."""
    return NUMPY_CALL_CYCLES / clock(profile) if profile.stage_us is None else 1e-6 * profile.stage_us


def features(work: Work, profile: Profile, load: Load, sharers: int = 1) -> KernelCost:
    """What each cost of the work's kind is multiplied by, in seconds, of one thread and without memory. sharers: how
    many threads have the work, and their caches, together."""
    hz = clock(profile)
    first, second = (profile.cluster.cache(level) for level in (1, 2))
    kept = (0 if first is None else first.size, 0 if second is None else second.of_threads(sharers))
    spilt = work.data_bytes * _beyond(work.data_bytes, kept[1]) + work.weight_bytes * load.weights_beyond(kept[1])
    return KernelCost(
        compute=work.loops / hz,
        ends=work.ends / hz,
        place_ns=1e-9 * work.places,
        function_ns=1e-9 * work.functions,
        panel_ns=1e-9 * work.panels / 1024 * _beyond(work.panel, kept[0]),
        spill_ns=1e-9 / 1024 * spilt,
        chunk_ns=1e-9 * work.chunks,
        call_ns=1e-9 * work.calls,
    )


def _beyond(size: int, cache: int) -> float:
    """The part that a cache does not keep: none of half its size, and all of its size. cache: 0 where none is known."""
    return min(1.0, max(0.0, 2.0 * size / cache - 1.0)) if cache else 0.0


def memory_bytes(work: Work, load: Load) -> float:
    """Bytes that the step moves to and from memory."""
    return work.weight_bytes * load.weights_from_memory + work.data_bytes * load.data_from_memory(work.data_bytes)


def seconds_of(work: Work, profile: Profile, threads: int, load: Load, sustained: bool = False) -> float:
    """threads: of the program; a step that is not shared has one."""
    sharers = min(threads, work.parts)
    cost, amounts = cost_of(profile, work), features(work, profile, load, sharers)
    slower = clock(profile) / clock(profile, sustained)
    call = cost.call_ns * amounts.call_ns
    loops = predicted(amounts, cost) - call
    gbps = DEFAULT_GBPS if profile.memory_gbps is None else profile.memory_gbps.value
    memory = memory_bytes(work, load) / (gbps * 1e9)
    shared = 0.0
    if sharers > 1:
        loops /= 1 + (sharers - 1) * BALANCE
        shared = profile.share_us * 1e-6
    return slower * (loops + call) + memory + shared


def predicted(amounts: KernelCost, cost: KernelCost) -> float:
    """Seconds of work whose features are `amounts`."""
    return float(sum(map(mul, msgspec.structs.astuple(amounts), msgspec.structs.astuple(cost))))
