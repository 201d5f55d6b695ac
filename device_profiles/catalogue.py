"""Finding and reading profiles: a user's own before those that ship."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any, Final

import msgspec

from .detect import detect
from .schema import Profile, ProfileError

SUFFIX: Final = ".toml"
BOARDS: Final = Path(__file__).with_name("boards")
MAX_SIZE: Final = 1 << 20
HOST: Final = "host"


def user_folder() -> Path:
    """Where a user's own profiles are: $XDG_CONFIG_HOME/millijoule/profiles."""
    base = os.environ.get("XDG_CONFIG_HOME", "")
    # The specification has relative paths ignored.
    root = Path(base) if os.path.isabs(base) else Path(os.path.expanduser("~/.config"))
    return root / "millijoule" / "profiles"


def names() -> list[str]:
    """The devices that have a profile, besides "host"."""
    found = {path.stem for folder in (BOARDS, user_folder()) for path in folder.glob("*" + SUFFIX)}
    return sorted(found - {HOST})


def every() -> dict[str, Profile]:
    """All of `names` that can be read, by name. One that cannot is left out with a warning: no other device depends on
    it."""
    return {name: profile for name in names() if (profile := _sound(name)) is not None}


def load(profile: str | os.PathLike[str] = HOST) -> Profile:
    """The profile of that name, or the one in a TOML file; "host": the one that MILLIJOULE_PROFILE names, or else this
    computer.

    A string that ends in .toml or has a folder in it is a path. A user's own file comes before a profile of its name
    that ships. Raises ProfileError where there is no such profile or the file is not a valid one.
    """
    if profile == HOST:
        profile = os.environ.get("MILLIJOULE_PROFILE") or HOST
    return _load(profile, ())


def read(path: Path) -> Profile:
    """The profile in a TOML file; ProfileError names the file and what is wrong in it."""
    return _read(path, ())


def file_of(name: str) -> Path | None:
    """The file of the profile of that name; None where there is none."""
    places = (folder / (name + SUFFIX) for folder in (user_folder(), BOARDS))
    return next((place for place in places if place.is_file()), None)


def _sound(name: str) -> Profile | None:
    try:
        return _load(name, ())
    except ProfileError as error:
        warnings.warn(f"a profile of your own is left out: {error}", RuntimeWarning, stacklevel=4)
        return None


def _load(profile: str | os.PathLike[str], extending: tuple[Path, ...]) -> Profile:
    """extending: the files that are read because they extend each other."""
    if isinstance(profile, os.PathLike):
        return _read(Path(profile), extending)
    if profile.endswith(SUFFIX) or os.path.basename(profile) != profile:
        return _read(Path(profile), extending)
    for folder in (user_folder(), BOARDS):
        path = folder / (profile + SUFFIX)
        if path not in extending and path.is_file():
            return _read_host(path) if profile == HOST and not extending else _read(path, extending)
    if profile == HOST:
        return detect()
    from difflib import get_close_matches  # which a right name does not need

    close = get_close_matches(profile, names(), n=1)
    meant = f"did you mean {close[0]}? There" if close else "there"
    raise ProfileError(
        f"there is no device profile '{profile}'; {meant} are host, {', '.join(names())}, or the path of a .toml file"
    )


def _read_host(path: Path) -> Profile:
    """A user's own profile of this computer; what was measured on another CPU says nothing about it."""
    own, found = _read(path, ()), detect()
    if own.measured_on in ("", found.cluster.core):
        return own
    warnings.warn(
        f"{path} was measured on {own.measured_on}, and this is {found.cluster.core}: it is not used; measure anew "
        "with `mj profiles --measure`, or delete it",
        RuntimeWarning,
        stacklevel=4,
    )
    return found


def _read(path: Path, extending: tuple[Path, ...]) -> Profile:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_SIZE + 1)
    except OSError as error:
        raise ProfileError(f"cannot read device profile {path}: {error.strerror}") from error
    if len(data) > MAX_SIZE:
        raise ProfileError(f"{path} is too large for a device profile")
    try:
        fields = msgspec.toml.decode(data)
        base = fields.pop("extends", None)
        if base is not None:
            fields = _merged(_base(base, path, extending), fields)
        return msgspec.convert(fields, Profile)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise ProfileError(f"{path} is not a valid device profile: {error}") from error


def _base(name: object, path: Path, extending: tuple[Path, ...]) -> dict[str, Any]:
    """The fields of the profile that a file extends: a profile's name, and where that is the file's own, the one that
    it hides."""
    if not isinstance(name, str):
        raise msgspec.ValidationError(f"extends = {name!r} is no profile's name")
    if path in extending:
        raise ProfileError(f"{path} extends itself")
    try:
        found: dict[str, Any] = msgspec.to_builtins(_load(name, (*extending, path)))
    except ProfileError as error:
        raise ProfileError(f"{path}, extends = {name!r}: {error}") from None
    return found


def _merged(base: dict[str, Any], own: dict[str, Any]) -> dict[str, Any]:
    """Tables are merged, anything else is replaced; also a figure, whose source says nothing about another value."""
    found = dict(base)
    for key, value in own.items():
        below = found.get(key)
        if isinstance(value, dict) and isinstance(below, dict) and "value" not in value:
            found[key] = _merged(below, value)
        else:
            found[key] = value
    return found
