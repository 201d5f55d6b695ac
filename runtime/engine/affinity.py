"""On which CPUs helper threads run."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ...device_profiles import Profile


def places(profile: Profile, threads: int) -> frozenset[int] | None:
    """The CPUs of the profile's first cluster that this process may use; None where threads need not be kept to them,
    those being all or none, or where there are more threads than such CPUs."""
    if not hasattr(os, "sched_getaffinity"):
        return None
    allowed = os.sched_getaffinity(0)
    found = allowed.intersection(profile.cluster.cpus)
    return frozenset(found) if threads <= len(found) < len(allowed) else None


def keep_to(cpus: frozenset[int]) -> None:
    """Keeps the calling thread to these CPUs, as far as the system lets it: they may have gone since."""
    try:
        os.sched_setaffinity(0, cpus)
    except OSError:
        return
