"""Devices as the command line names them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...device_profiles import Profile, ProfileError, load
from ...runtime.errors import TargetError
from ...runtime.targets.device import completed

if TYPE_CHECKING:
    from ...runtime.session import Session


def profile_of(name: str) -> Profile:
    """As device_profiles.load; TargetError where there is none."""
    try:
        return load(name)
    except ProfileError as problem:
        raise TargetError(str(problem)) from None


def described(name: str) -> tuple[Profile, str | None]:
    """A profile for predictions, and the one that it was completed from."""
    return completed(profile_of(name))


def session_profile(session: Session) -> Profile:
    """What is known of the device that a session runs on: its profile, and of this computer what its board's adds."""
    return completed(session.engine.profile)[0]
