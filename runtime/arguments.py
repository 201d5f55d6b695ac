"""What a caller hands over, checked where it comes in: an InputError says which argument, and what is wanted."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterable, Mapping
from numbers import Integral
from reprlib import repr as short

from .errors import InputError

TRUTHS = (True, False)


def real(what: str, given: object) -> float:
    """A real number, nan and the infinite ones included."""
    try:
        if not isinstance(given, str | bytes | bytearray):
            return float(given)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        pass
    raise InputError(f"{what}={short(given)}: a number is wanted") from None


def whole(what: str, given: object, least: int | None = None) -> int:
    """A whole number of at least `least`."""
    if not isinstance(given, Integral) or isinstance(given, bool) or (least is not None and given < least):
        of = "" if least is None else f" of at least {least}"
        raise InputError(f"{what}={short(given)}: a whole number{of} is wanted")
    return int(given)


def flag(what: str, given: object) -> bool:
    """True or False, also NumPy's, or as 1 or 0: other things that Python takes for true may mean the opposite."""
    try:
        if given in TRUTHS:
            return bool(given)
    except (TypeError, ValueError):
        pass
    raise InputError(f"{what}={short(given)}: True or False is wanted")


def text(what: str, given: object) -> str:
    if not isinstance(given, str):
        raise InputError(f"{what}={short(given)}: text is wanted")
    return given


def one_of(what: str, given: object, known: Collection[str]) -> str:
    if not isinstance(given, str) or given not in known:
        raise InputError(f"{what}={short(given)}: one of {', '.join(known)} is wanted")
    return given


def names(what: str, given: object) -> tuple[str, ...]:
    """Names in their order; one alone is a list of one."""
    if isinstance(given, str):
        return (given,)
    if not isinstance(given, Iterable) or isinstance(given, (bytes, Mapping)):
        raise InputError(f"{what}={short(given)}: a list of names is wanted")
    return tuple(text(what, name) for name in given)


def numbers(what: str, given: object) -> tuple[float, ...]:
    """Real numbers in their order; one alone, also as an array without axes, is a list of one."""
    if isinstance(given, (Mapping, bytes)):
        raise InputError(f"{what}={short(given)}: a number or a list of numbers is wanted")
    if not isinstance(given, Iterable) or isinstance(given, str) or getattr(given, "ndim", 1) == 0:
        return (real(what, given),)
    return tuple(real(what, number) for number in given)


def path(what: str, given: object) -> str | os.PathLike[str]:
    """The path of a file, which need not exist."""
    if not isinstance(given, (str, os.PathLike)):
        raise InputError(f"{what}={short(given)}: the path of a file is wanted")
    return given


def check_path(given: object, wanted: str) -> None:
    """InputError where something is no path, which says what is wanted instead."""
    if not isinstance(given, (str, os.PathLike)):
        raise InputError(f"{wanted}, not {type(given).__name__}")
