"""The form of a device profile. Sizes are in KiB and MiB, as data sheets give them, and in bytes as properties."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

Positive = Annotated[int, msgspec.Meta(ge=1)]
Name = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9][a-z0-9._-]*$", max_length=64)]


class ProfileError(ValueError):
    """A device profile does not exist, or its file is not a valid profile."""


class Cache(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One level of cache. kib: size of one such cache. shared_by: how many cores use one together. line: bytes."""

    level: Annotated[int, msgspec.Meta(ge=1, le=4)]
    kind: Literal["data", "instruction", "unified"]
    kib: Positive
    shared_by: Positive = 1
    line: Positive = 64

    @property
    def size(self) -> int:
        """Bytes of one such cache."""
        return self.kib * 1024


class Cluster(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Cores that are alike. cpus: the system's number of one CPU of each core. mhz: highest clock, where known."""

    core: str
    cpus: Annotated[list[Annotated[int, msgspec.Meta(ge=0)]], msgspec.Meta(min_length=1)]
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


class Profile(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One device.

    target: the name of what code is compiled for ("host": whatever this CPU is detected to be). clusters: the fastest
    first; workers stay in that one. threads: how many of its cores to use where nothing else is asked for.
    memory_mib: None where not known. page_bytes: the size of a page of memory.
    """

    name: Name
    title: str
    target: Name
    clusters: Annotated[list[Cluster], msgspec.Meta(min_length=1)]
    threads: Positive
    page_bytes: Positive
    memory_mib: Positive | None = None
    notes: str = ""

    def __post_init__(self) -> None:
        if self.threads > self.cluster.cores:
            raise ValueError(f"threads = {self.threads}, but the first cluster has {self.cluster.cores} cores")
        if self.page_bytes & (self.page_bytes - 1):
            raise ValueError(f"page_bytes = {self.page_bytes} is no power of two")
        cpus = [cpu for cluster in self.clusters for cpu in cluster.cpus]
        if len(set(cpus)) != len(cpus):
            raise ValueError("two clusters name the same CPU")

    @property
    def cluster(self) -> Cluster:
        """The cluster that workers run in."""
        return self.clusters[0]

    @property
    def cores(self) -> int:
        return sum(cluster.cores for cluster in self.clusters)

    @property
    def memory(self) -> int | None:
        """Bytes of memory, or None where not known."""
        return None if self.memory_mib is None else self.memory_mib << 20
