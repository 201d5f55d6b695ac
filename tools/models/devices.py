"""Devices as the command line names them."""

from __future__ import annotations

from pathlib import Path

from ...device_profiles import Profile, ProfileError, load
from ...device_profiles.board import SYSTEM, board
from ...runtime.errors import TargetError

GENERIC = ("x86-64-v2", "x86-64-v3", "x86-64-v4", "armv8.0", "armv8.2-dotprod", "armv8.6-i8mm")
"""Profiles for boards of which only the instruction set is known, best last."""


def profile_of(name: str) -> Profile:
    """As device_profiles.load; TargetError where there is none."""
    try:
        return load(name)
    except ProfileError as problem:
        raise TargetError(str(problem)) from None


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
    fitting = [name for name in GENERIC if named(load(name).target).features <= features]
    return (fitting[-1] if fitting else None), False
