"""The profile of this computer, from what Linux tells about it. Elsewhere only the number of CPUs is known."""

from __future__ import annotations

import mmap
import os
import platform
from collections.abc import Iterable
from functools import cache
from math import floor
from pathlib import Path
from typing import Final

from .cgroup import cpu_quota, memory_limit
from .schema import Cache, Cluster, Profile

SYSTEM: Final = Path("/")
CPUS: Final = "sys/devices/system/cpu"
# MIDR_EL1's implementer and part number; technical reference manuals, Linux's arch/arm64/include/asm/cputype.h.
ARM_CORES: Final = {
    (0x41, 0xD03): "Cortex-A53",
    (0x41, 0xD05): "Cortex-A55",
    (0x41, 0xD07): "Cortex-A57",
    (0x41, 0xD08): "Cortex-A72",
    (0x41, 0xD09): "Cortex-A73",
    (0x41, 0xD0A): "Cortex-A75",
    (0x41, 0xD0B): "Cortex-A76",
    (0x41, 0xD0C): "Neoverse N1",
    (0x41, 0xD0D): "Cortex-A77",
    (0x41, 0xD40): "Neoverse V1",
    (0x41, 0xD41): "Cortex-A78",
    (0x41, 0xD42): "Cortex-A78AE",
    (0x41, 0xD46): "Cortex-A510",
    (0x41, 0xD47): "Cortex-A710",
    (0x41, 0xD49): "Neoverse N2",
    (0x41, 0xD4D): "Cortex-A715",
    (0x41, 0xD4F): "Neoverse V2",
    (0x41, 0xD80): "Cortex-A520",
    (0x41, 0xD81): "Cortex-A720",
    (0x41, 0xD83): "Neoverse V3AE",
    (0x4E, 0x003): "Denver 2",
    (0x4E, 0x004): "Carmel",
}


def usable_cpus(root: Path = SYSTEM, affinity: Iterable[int] | None = None) -> int:
    """How many threads can run at once: the CPUs of the affinity mask, or fewer where a quota grants fewer; at least 1.

    A quota of 1.5 CPUs is one: two workers would be stopped together for a part of every period.
    """
    count = len(_affinity() if affinity is None else set(affinity))
    quota = cpu_quota(root)
    return max(1, count if quota is None else min(count, floor(quota)))


def detect(root: Path = SYSTEM, affinity: Iterable[int] | None = None) -> Profile:
    """The profile "host". root and affinity (CPU numbers) stand in for this system's, for tests.

    Only CPUs of the affinity mask count, and of hardware threads that share a core only the first.
    """
    allowed = _affinity() if affinity is None else set(affinity)
    clusters = list(_own_clusters(frozenset(allowed))) if root == SYSTEM else _clusters(root, allowed)
    return Profile(
        name="host",
        title=_title(root),
        target="host",
        clusters=clusters,
        threads=min(clusters[0].cores, usable_cpus(root, allowed)),
        page_bytes=mmap.PAGESIZE,
        memory_mib=_memory_mib(root),
    )


def parse_cpu_list(text: str) -> list[int]:
    """Linux's notation for sets of CPUs: "0-2,5" is [0, 1, 2, 5]."""
    cpus: list[int] = []
    for part in text.strip().split(","):
        first, _, last = part.partition("-")
        if first.strip().isdecimal():
            cpus.extend(range(int(first), int(last or first) + 1))
    return cpus


def _affinity() -> set[int]:
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return set(range(os.cpu_count() or 1))


@cache
def _own_clusters(allowed: frozenset[int]) -> tuple[Cluster, ...]:
    """Of this system, whose cores stay what they are; dozens of files say so."""
    return tuple(_clusters(SYSTEM, allowed))


def _clusters(root: Path, allowed: Iterable[int]) -> list[Cluster]:
    """Cores of one kind together; the kind that Linux rates highest, then the one that clocks highest, first."""
    kinds: dict[tuple[int, str], list[int]] = {}
    seen: set[int] = set()
    efficient = set(parse_cpu_list(_read(root / "sys/devices/cpu_atom/cpus")))
    model = _model_name(root)
    for cpu in sorted(allowed):
        if cpu in seen:
            continue
        folder = root / CPUS / f"cpu{cpu}"
        seen.update(parse_cpu_list(_read(folder / "topology/thread_siblings_list")))
        kind = _arm_core(folder) or (0 if cpu in efficient else 1, model)
        kinds.setdefault(kind, []).append(cpu)
    rated = [(rating, _cluster(root, name, cpus)) for (rating, name), cpus in kinds.items()]
    return [cluster for _, cluster in sorted(rated, key=lambda pair: (-pair[0], -(pair[1].mhz or 0)))]


def _cluster(root: Path, name: str, cpus: list[int]) -> Cluster:
    folder = root / CPUS / f"cpu{cpus[0]}"
    khz = _number(folder / "cpufreq/cpuinfo_max_freq", 0)
    return Cluster(core=name, cpus=cpus, mhz=khz // 1000 or None, caches=_caches(root, folder))


def _caches(root: Path, folder: Path) -> list[Cache]:
    """Device trees without cache nodes leave this empty; a cache that is not described whole is left out."""
    caches = []
    for index in sorted((folder / "cache").glob("index[0-9]*")):
        kind = _read(index / "type").lower()
        size = _read(index / "size").upper()
        kib = int(size[:-1]) * {"K": 1, "M": 1024}[size[-1]] if size[:-1].isdecimal() and size[-1] in "KM" else 0
        level = _number(index / "level", 0)
        if kib and 1 <= level <= 4 and kind in ("data", "instruction", "unified"):
            cores = {_first_sibling(root, cpu) for cpu in parse_cpu_list(_read(index / "shared_cpu_list"))}
            caches.append(Cache(level=level, kind=kind, kib=kib, shared_by=max(1, len(cores))))  # type: ignore[arg-type]
    return sorted(caches, key=lambda cache: (cache.level, cache.kind))


def _first_sibling(root: Path, cpu: int) -> int:
    return min(parse_cpu_list(_read(root / CPUS / f"cpu{cpu}/topology/thread_siblings_list")), default=cpu)


def _arm_core(folder: Path) -> tuple[int, str] | None:
    """How Linux rates an Arm core beside the others of its system, and its name; None for a core of another kind."""
    text = _read(folder / "regs/identification/midr_el1")
    if not text:
        return None
    midr = int(text, 16)
    implementer, part = midr >> 24 & 0xFF, midr >> 4 & 0xFFF
    name = ARM_CORES.get((implementer, part))
    return _number(folder / "cpu_capacity", 1024), name or f"implementer 0x{implementer:02x} part 0x{part:03x}"


def _model_name(root: Path) -> str:
    for line in _read(root / "proc/cpuinfo").splitlines():
        key, _, value = line.partition(":")
        if key.strip() == "model name":
            return value.strip()
    return platform.machine() or "unknown"


def _title(root: Path) -> str:
    # Boards with a device tree name themselves, with a zero byte at the end.
    board = _read(root / "proc/device-tree/model").rstrip("\0")
    return board or f"This computer ({platform.machine() or 'unknown'})"


def _memory_mib(root: Path) -> int | None:
    total = None
    for line in _read(root / "proc/meminfo").splitlines():
        fields = line.split()
        if len(fields) >= 2 and fields[0] == "MemTotal:" and fields[1].isdecimal():
            total = int(fields[1]) << 10
    limit = memory_limit(root)
    known = [value for value in (total, limit) if value is not None]
    return max(1, min(known) >> 20) if known else None


def _number(path: Path, default: int) -> int:
    text = _read(path)
    return int(text) if text.isdecimal() else default


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""
