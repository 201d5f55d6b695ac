"""Whether a model fits a device's memory, said before the memory is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ..errors import ModelError

if TYPE_CHECKING:
    from ...device_profiles import Profile
    from ..program.program import Program


def memory_of(program: Program, packed: int, threads: int) -> dict[str, int]:
    """Bytes that running a program takes, by what for. packed: bytes of its weights."""
    return {
        "packed weights": packed,
        "arena": program.arena_bytes,
        f"scratch for {threads} threads" if threads > 1 else "scratch": threads * program.scratch_bytes,
    }


def check_fits(profile: Profile, parts: Mapping[str, int]) -> None:
    """ModelError, with the sum, where the parts (in bytes) are more than a process may take on the device."""
    limit, total = profile.free_memory, sum(parts.values())
    if limit is None or total <= limit:
        return
    terms = " + ".join(f"{what} {_mib(size)}" for what, size in parts.items() if size)
    left = f"{profile.memory_mib:,} MiB"
    if profile.system_mib:
        left += f" less {profile.system_mib:,} MiB for the system"
    raise ModelError(
        f"the model does not fit: {terms} = {_mib(total)} MiB, and {profile.title} has {left}; give smaller inputs, "
        "quantize the model, or correct the profile's memory_mib"
    )


def _mib(size: int) -> str:
    return f"{size / (1 << 20):,.1f}"
