"""The computer and the software that a result came from."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final

from ...device_profiles import detect, usable_cpus

PACKAGES: Final = ("millijoule", "numpy", "numba", "llvmlite")
GOVERNOR: Final = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
MEMINFO: Final = Path("/proc/meminfo")


def describe() -> dict[str, Any]:
    """CPU, cores, memory and system, for the head of a report."""
    profile = detect()
    cluster = profile.cluster
    return {
        "cpu": cluster.core,
        "cores": profile.cores,
        "usable_cpus": usable_cpus(),
        "mhz": cluster.mhz,
        "governor": GOVERNOR.read_text().strip() if GOVERNOR.is_file() else None,
        "memory_bytes": profile.memory,
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "load_average": round(os.getloadavg()[0], 2) if hasattr(os, "getloadavg") else None,
    }


def available_memory() -> int | None:
    """Bytes that this process can have, caches of files included, which the system gives up; None where not known."""
    known = [free for free in (detect().memory, _free_memory()) if free is not None]
    return min(known, default=None)


def _free_memory() -> int | None:
    if MEMINFO.is_file():
        for line in MEMINFO.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) << 10
    for name in ("SC_AVPHYS_PAGES", "SC_PHYS_PAGES"):
        if name in getattr(os, "sysconf_names", {}):
            return os.sysconf(name) * os.sysconf("SC_PAGE_SIZE")
    return None


def versions(packages: Iterable[str] = PACKAGES) -> dict[str, str | None]:
    """Installed versions, None where a package is absent, and Python's own."""
    return {"python": platform.python_version(), **{package: _version(package) for package in packages}}


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
