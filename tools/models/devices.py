"""Devices as the command line names them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from ...device_profiles import Profile, ProfileError, load
from ...device_profiles.board import SYSTEM, board
from ...device_profiles.catalogue import HOST, every
from ...runtime.errors import TargetError

if TYPE_CHECKING:
    from ...runtime.session import Session

GENERIC = (
    "x86-64-v2", "x86-64-v3", "x86-64-v3-vnni", "x86-64-v4", "armv8.0", "armv8.2-dotprod", "armv8.6-i8mm"
)  # fmt: skip
"""Profiles for boards of which only the instruction set is known, best last."""


def profile_of(name: str) -> Profile:
    """As device_profiles.load; TargetError where there is none."""
    try:
        return load(name)
    except ProfileError as problem:
        raise TargetError(str(problem)) from None


def described(name: str) -> tuple[Profile, str | None]:
    """A profile for predictions, and the one that it was completed from: what this computer does not tell of itself is
    that of its board, or of its instruction set."""
    profile = profile_of(name)
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


def session_profile(session: Session) -> Profile:
    """What is known of the device that a session runs on: its profile, and of this computer what its board's adds."""
    profile = session.engine.profile
    return described(HOST)[0] if profile.name == HOST else profile


def fitting_profile(root: Path = SYSTEM) -> tuple[str | None, bool]:
    """The profile of this board, or else that of its instruction set, and whether it is the former; None where none
    fits."""
    found = board(root)
    if found is not None:
        return found, True
    from ...runtime.targets.target import detect, named

    try:
        features = detect().features
    except TargetError:
        return None, False
    known = every()
    fitting = [name for name in GENERIC if name in known and named(known[name].target).features <= features]
    return (fitting[-1] if fitting else None), False
