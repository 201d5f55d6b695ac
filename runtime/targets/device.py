"""Which of the devices that have a profile this computer is, or is like."""

from __future__ import annotations

from pathlib import Path

import msgspec

from ...device_profiles import Profile, load
from ...device_profiles.board import SYSTEM, board
from ...device_profiles.catalogue import HOST, every
from ..errors import TargetError
from .target import detect, named

GENERIC = (
    "x86-64-v2", "x86-64-v3", "x86-64-v3-vnni", "x86-64-v4", "armv8.0", "armv8.2-dotprod", "armv8.6-i8mm"
)  # fmt: skip
"""Profiles for boards of which only the instruction set is known, best last."""


def completed(profile: Profile) -> tuple[Profile, str | None]:
    """A profile for predictions, and the one that it was completed from: what this computer does not tell of itself is
    that of its board, or of its instruction set."""
    if profile.name != HOST:
        return profile, None
    found, _ = fitting_profile()
    if found is None:
        return profile, None
    other = load(found)
    lacking = {
        field: getattr(other, field)
        for field in ("memory_gbps", "energy", "thermal")
        if getattr(profile, field) is None and getattr(other, field) is not None
    }
    return (msgspec.structs.replace(profile, **lacking), found) if lacking else (profile, None)


def fitting_profile(root: Path = SYSTEM) -> tuple[str | None, bool]:
    """The profile of this board, or else that of its instruction set, and whether it is the former; None where none
    fits."""
    found = board(root)
    if found is not None:
        return found, True
    try:
        features = detect().features
    except TargetError:
        return None, False
    known = every()
    fitting = [name for name in GENERIC if name in known and named(known[name].target).features <= features]
    return (fitting[-1] if fitting else None), False
