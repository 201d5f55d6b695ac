"""Finding and reading profiles."""

from __future__ import annotations

import os
from difflib import get_close_matches
from pathlib import Path
from typing import Final

import msgspec

from .detect import detect
from .schema import Profile, ProfileError

SUFFIX: Final = ".toml"
BOARDS: Final = Path(__file__).with_name("boards")
MAX_SIZE: Final = 1 << 20


def names() -> list[str]:
    """The devices that have a profile, besides "host"."""
    return sorted(path.stem for path in BOARDS.glob("*" + SUFFIX))


def load(profile: str | os.PathLike[str] = "host") -> Profile:
    """The profile of that name, "host" for this computer, or the one in a TOML file.

    A string that ends in .toml or has a folder in it is a path. Raises ProfileError where there is no such profile or
    the file is not a valid one.
    """
    if isinstance(profile, os.PathLike):
        return read(Path(profile))
    if profile == "host":
        return detect()
    if profile.endswith(SUFFIX) or os.path.basename(profile) != profile:
        return read(Path(profile))
    if profile not in names():
        close = get_close_matches(profile, names(), n=1)
        meant = f"did you mean {close[0]}? There" if close else "there"
        raise ProfileError(
            f"there is no device profile '{profile}'; {meant} are host, {', '.join(names())}, or the path of a .toml "
            "file"
        )
    return read(BOARDS / (profile + SUFFIX))


def read(path: Path) -> Profile:
    """The profile in a TOML file; ProfileError names the file and what is wrong in it."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_SIZE + 1)
    except OSError as error:
        raise ProfileError(f"cannot read device profile {path}: {error.strerror}") from error
    if len(data) > MAX_SIZE:
        raise ProfileError(f"{path} is too large for a device profile")
    try:
        return msgspec.toml.decode(data, type=Profile)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ProfileError(f"{path} is not a valid device profile: {error}") from error
