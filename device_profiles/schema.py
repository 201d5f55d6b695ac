"""The form of a device profile. Sizes are in KiB and MiB, as data sheets give them, and in bytes as properties.

docs/profiles.md says of every field what reads it.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

Positive = Annotated[int, msgspec.Meta(ge=1)]
Count = Annotated[int, msgspec.Meta(ge=0)]
Amount = Annotated[float, msgspec.Meta(ge=0)]
Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=64)]
UNKNOWN_CACHE = 1 << 20
"""Bytes of the last level of cache where no cache is known."""
UNKNOWN_SECOND = 512 << 10
"""Bytes of the second level where that is not known."""


class ProfileError(ValueError):
    """A device profile does not exist, or its file is not a valid profile."""


class Figure(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A number and where it is from: a measurement, a data sheet, or what it was estimated by."""

    value: Amount
    source: Annotated[str, msgspec.Meta(min_length=4)]


class Cache(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One level of cache. kib: size of one such cache. shared_by: how many cores use one together."""

    level: Annotated[int, msgspec.Meta(ge=1, le=4)]
    kind: Literal["data", "instruction", "unified"]
    kib: Positive
    shared_by: Positive = 1

    @property
    def size(self) -> int:
        """Bytes of one such cache."""
        return self.kib * 1024

    def of_threads(self, threads: int) -> int:
        """Bytes of all such caches that threads on cores of their own have together."""
        return self.size * -(-threads // self.shared_by)


class Cluster(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Cores that are alike. cpus: the system's number of one CPU of each core. mhz: highest clock, where known."""

    core: str
    cpus: Annotated[list[Count], msgspec.Meta(min_length=1)]
    mhz: Positive | None = None
    caches: list[Cache] = []

    def __post_init__(self) -> None:
        if len(set(self.cpus)) != len(self.cpus):
            raise ValueError(f"cpus of cluster {self.core} name a CPU twice")

    @property
    def cores(self) -> int:
        return len(self.cpus)

    def cache(self, level: int) -> Cache | None:
        """The cache that data goes through at that level, or None where there is none or it is not known."""
        return next((c for c in self.caches if c.level == level and c.kind != "instruction"), None)

    @property
    def last_cache(self) -> Cache | None:
        """The last cache that data goes through before memory, or None where none is known."""
        return max((c for c in self.caches if c.kind != "instruction"), key=lambda c: c.level, default=None)


class Rail(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One supply whose power the board measures. sensor: what measures it, with its driver's name. label: what the
    sensor calls it. total: whether it supplies the whole board; where none does, all of the rails are added."""

    sensor: Name
    label: Annotated[str, msgspec.Meta(min_length=1)]
    total: bool = False


class Energy(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What work costs. idle_watts: of the board, awake and doing nothing. core_watts: what one busy core adds. Above
    that, picojoules of an int8 and a float32 multiply-add, and of a byte from the caches and from memory."""

    idle_watts: Figure
    core_watts: Figure
    int8_pj: Figure
    f32_pj: Figure
    cache_pj: Figure
    dram_pj: Figure


class Thermal(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """throttle_celsius: at which temperature the clock is lowered. sustained_mhz: what clock is then left, with the
    cooling that the source names."""

    throttle_celsius: Figure
    sustained_mhz: Figure | None = None


class KernelCost(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a kind of kernel takes. compute and ends: how many times the cycles estimated for its loops, and for what
    comes after each of them (a register tile's epilogue). Nanoseconds: place_ns for each loop, function_ns for each
    result that goes through an exponential, panel_ns for each KiB of weights that loops read again from beyond the
    first cache, spill_ns for each KiB of activations and weights beyond the second, chunk_ns for each chunk and call_ns
    for each call."""

    compute: Amount = 1.0
    ends: Amount = 1.0
    place_ns: Amount = 0.0
    function_ns: Amount = 0.0
    panel_ns: Amount = 0.0
    spill_ns: Amount = 0.0
    chunk_ns: Amount = 0.0
    call_ns: Amount = 0.0


class Profile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One device.

    target: the name of what code is compiled for ("host": whatever this CPU is detected to be; "numpy": no kernels).
    clusters: the fastest first; helper threads are kept to that one. threads: how many of its cores to use where
    nothing else is asked for. memory_mib: None where not known; system_mib: what of it others need. page_bytes: the
    size of a page of memory. memory_gbps: 10^9 bytes a second that all cores together read. spin_us: how long an idle
    helper thread looks for work before it sleeps. share_us: what it takes to share a step with helpers. invoke_us: what
    an inference takes besides its steps. stage_us: what each program takes besides, where what a model computes depends
    on data and several run one after another; None: as of a call of NumPy. cached_kib: of the last cache, what one
    program was seen to keep in it; None: all of it. softmax_share: input and output of a softmax over the last cache,
    from where on two passes that read it again are the faster. strip_share: of the second cache, what passes between
    two steps from where on one thread makes both strip by strip. match: what the system says that such a device is, see
    board.py. measured_on: the CPU on which `mj profiles --measure` made the profile.
    """

    name: Name
    title: str
    target: Name
    clusters: Annotated[list[Cluster], msgspec.Meta(min_length=1)]
    threads: Positive
    page_bytes: Positive
    memory_mib: Positive | None = None
    system_mib: Count = 0
    memory_gbps: Figure | None = None
    spin_us: Amount = 50.0
    share_us: Amount = 2.0
    invoke_us: Amount = 0.0
    stage_us: Amount | None = None
    cached_kib: Positive | None = None
    softmax_share: Annotated[float, msgspec.Meta(gt=0)] = 0.5
    strip_share: Annotated[float, msgspec.Meta(gt=0)] = 0.25
    rails: list[Rail] = []
    energy: Energy | None = None
    thermal: Thermal | None = None
    kernels: dict[str, KernelCost] = {}
    match: list[str] = []
    measured_on: str = ""
    notes: str = ""

    def __post_init__(self) -> None:
        if self.threads > self.cluster.cores:
            raise ValueError(f"threads = {self.threads}, but the first cluster has {self.cluster.cores} cores")
        if self.page_bytes & (self.page_bytes - 1):
            raise ValueError(f"page_bytes = {self.page_bytes} is no power of two")
        cpus = [cpu for cluster in self.clusters for cpu in cluster.cpus]
        if len(set(cpus)) != len(cpus):
            raise ValueError("two clusters name the same CPU")
        if self.memory_mib is not None and self.system_mib >= self.memory_mib:
            raise ValueError(f"system_mib = {self.system_mib} leaves nothing of memory_mib = {self.memory_mib}")

    @property
    def cluster(self) -> Cluster:
        """The cluster that helper threads run in."""
        return self.clusters[0]

    @property
    def cores(self) -> int:
        return sum(cluster.cores for cluster in self.clusters)

    @property
    def memory(self) -> int | None:
        """Bytes of memory, or None where not known."""
        return None if self.memory_mib is None else self.memory_mib << 20

    @property
    def free_memory(self) -> int | None:
        """Bytes of memory that one process may take, or None where not known."""
        return None if self.memory_mib is None else (self.memory_mib - self.system_mib) << 20

    @property
    def cached(self) -> int:
        """Bytes that one program keeps in the last cache."""
        if self.cached_kib is not None:
            return self.cached_kib << 10
        last = self.cluster.last_cache
        return UNKNOWN_CACHE if last is None else last.size

    @property
    def softmax_bytes(self) -> int:
        """Bytes of a softmax's input and output above which two passes that read it again are the faster."""
        last = self.cluster.last_cache
        return int(self.softmax_share * (UNKNOWN_CACHE if last is None else last.size))

    @property
    def strip_bytes(self) -> int:
        """Bytes of activations that one thread keeps in its core's second cache beside others, by strips of images."""
        second = self.cluster.cache(2)
        return int(self.strip_share * (UNKNOWN_SECOND if second is None else second.size))

    @property
    def total_rails(self) -> list[Rail]:
        """The rails whose powers add up to the whole board's; empty where it measures none."""
        return [rail for rail in self.rails if rail.total] or self.rails
