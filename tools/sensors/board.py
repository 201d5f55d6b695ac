"""Which rails this board has, as its device profile lists them: a profile knows a board better than names do."""

from __future__ import annotations

from pathlib import Path

from ...device_profiles import ProfileError, Rail, load
from ...device_profiles.board import board
from .source import SensorError


def rails_of(root: Path) -> tuple[Rail, ...]:
    """Those of the profile that MILLIJOULE_PROFILE names, or the user's own of this computer, or the board that the
    tree below root says it is; empty where none of them has rails. SensorError where a profile is not sound."""
    try:
        own = load().rails
        found = board(root) if not own else None
        return tuple(own if found is None else load(found).rails)
    except ProfileError as error:
        raise SensorError(str(error)) from None
