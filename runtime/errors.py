"""The errors and warnings that a caller can act on. Anything else that escapes is a bug in millijoule."""

import re
import sys
import warnings

PACKAGE = __name__.partition(".")[0]

LONG_WORD, LONG_LINE, LONG_TEXT = 600, 2500, 30_000
"""Characters from which on an error leaves some out: files hold names and lists of any length."""
_LONG_WORD = re.compile(rf"\S{{{LONG_WORD},}}")


class Error(Exception):
    """Base of every error that millijoule raises on purpose; its text names the culprit and the way out."""

    def __init__(self, text: object = "") -> None:
        super().__init__(_readable(str(text)))


class ModelError(Error):
    """The model (source or .mj file) is damaged, unsafe or not supported."""


class InputError(Error):
    """An input is not what the model takes, by name, shape or dtype, or another argument is not what is wanted."""


class TargetError(Error):
    """A target or device profile does not exist, or this CPU cannot run it."""


class CompilerError(Error):
    """Kernels have to be compiled, and numba, which compiles them, cannot be imported."""


class PreprocessingWarning(UserWarning):
    """An image is fed to a model that does not say how its images are prepared."""


class LabelsWarning(UserWarning):
    """The labels are not as many as the scores."""


def _readable(text: str) -> str:
    """The text, or of one that nobody could read the parts that tell what is wrong."""
    if len(text) < LONG_WORD:
        return text
    text = _LONG_WORD.sub(lambda word: f"{word[0][: LONG_WORD // 2]} ... {word[0][-LONG_WORD // 4 :]}", text)
    lines = [line if len(line) <= LONG_LINE else line[:LONG_LINE] + " ..." for line in text.splitlines()]
    text = "\n".join(lines)
    return text if len(text) <= LONG_TEXT else text[:LONG_TEXT] + " ..."


def warn(text: str, category: type[Warning] = RuntimeWarning) -> None:
    """Warns of what the caller's own line did, however deep inside of millijoule it was noticed."""
    frame, level = sys._getframe(1), 2
    while frame.f_back is not None and frame.f_globals.get("__name__", "").partition(".")[0] == PACKAGE:
        frame, level = frame.f_back, level + 1
    warnings.warn(text, category, stacklevel=level)
