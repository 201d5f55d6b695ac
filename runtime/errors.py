"""The errors and warnings that a caller can act on. Anything else that escapes is a bug in millijoule."""

import sys
import warnings

PACKAGE = __name__.partition(".")[0]


class Error(Exception):
    """Base of every error that millijoule raises on purpose; its text names the culprit and the way out."""


class ModelError(Error):
    """The model (source or .mj file) is damaged, unsafe or not supported."""


class InputError(Error):
    """An input's name, shape or dtype is not what the model takes."""


class TargetError(Error):
    """A target or device profile does not exist, or this CPU cannot run it."""


class CompilerError(Error):
    """Kernels have to be compiled, and numba, which compiles them, cannot be imported."""


class PreprocessingWarning(UserWarning):
    """An image is fed to a model that does not say how its images are prepared."""


class LabelsWarning(UserWarning):
    """The labels are not as many as the scores."""


def real(what: str, given: object) -> float:
    """A setting that is a real number, nan and the infinite ones included; InputError where it is none."""
    try:
        if not isinstance(given, str | bytes | bytearray):
            return float(given)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        pass
    raise InputError(f"{what}={given!r}: a number is wanted") from None


def warn(text: str, category: type[Warning] = RuntimeWarning) -> None:
    """Warns of what the caller's own line did, however deep inside of millijoule it was noticed."""
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == PACKAGE:
        frame, level = frame.f_back, level + 1
    warnings.warn(text, category, stacklevel=level)
