"""The share of the processors and of the memory that control groups grant this process (Linux, versions 1 and 2)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

# Version 1 writes a number near the largest that fits where there is no limit.
UNLIMITED = 1 << 60


def cpu_quota(root: Path = Path("/")) -> float | None:
    """How many CPUs' time the process may use, the least of its group's and all groups' above; None: no limit."""
    quotas = []
    for folder in _folders(root, ""):
        fields = _read(folder / "cpu.max").split()
        if len(fields) == 2 and fields[0] != "max":
            quotas.append(_ratio(*fields))
    for folder in _folders(root, "cpu"):
        quota, period = _read(folder / "cpu.cfs_quota_us"), _read(folder / "cpu.cfs_period_us")
        if quota and period:
            quotas.append(_ratio(quota, period))
    return min((quota for quota in quotas if quota is not None), default=None)


def memory_limit(root: Path = Path("/")) -> int | None:
    """Bytes of memory that the process may use; None: no limit."""
    texts = [_read(folder / "memory.max") for folder in _folders(root, "")]
    texts += [_read(folder / "memory.limit_in_bytes") for folder in _folders(root, "memory")]
    limits = [int(text) for text in texts if text.isdecimal()]
    return min((limit for limit in limits if limit < UNLIMITED), default=None)


def _folders(root: Path, controller: str) -> Iterator[Path]:
    """The process's group and those above it, for a controller of version 1, or of version 2 where that is empty.

    Inside a container the path may name folders that only the outside sees; those are skipped by who reads them.
    """
    for line in _read(root / "proc/self/cgroup").splitlines():
        number, _, rest = line.partition(":")
        controllers, _, group = rest.partition(":")
        if controller and controller in controllers.split(","):
            mount = next((m for m in (controller, controllers) if (root / "sys/fs/cgroup" / m).is_dir()), None)
        elif not controller and number == "0" and not controllers:
            mount = "."
        else:
            continue
        if mount is not None:
            inner = PurePosixPath(group.lstrip("/"))
            if ".." not in inner.parts:
                yield from (root / "sys/fs/cgroup" / mount / part for part in (inner, *inner.parents))


def _ratio(quota: str, period: str) -> float | None:
    try:
        used, whole = int(quota), int(period)
    except ValueError:
        return None
    return used / whole if used > 0 and whole > 0 else None


def _read(path: Path) -> str:
    try:
        return path.read_text().strip()
    except (OSError, UnicodeDecodeError):
        return ""
