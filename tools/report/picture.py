"""Pictures of results, where matplotlib is installed: nothing else needs it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...runtime.errors import Error, InputError
from ...runtime.file.atomic import replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SUFFIXES = (".png", ".svg", ".pdf")


def check_picture(path: str) -> None:
    """Error where matplotlib is missing, InputError where the file's kind is none of SUFFIXES."""
    if Path(path).suffix.lower() not in SUFFIXES:
        raise InputError(f"--picture {path}: its name has to end in one of {', '.join(SUFFIXES)}")
    _figure(1, 1)


def save(figure: Figure, path: str) -> None:
    """Writes the picture, whole or not at all; Error where the system refuses."""
    with replacing(path) as file:
        figure.savefig(file, format=Path(path).suffix.lower()[1:], dpi=150)


def axes(count: int, width: float = 6.0, height: float = 4.0) -> tuple[Figure, list[Any]]:
    """A figure of so many axes side by side. width, height: of each, in inches."""
    figure = _figure(count * width, height)
    return figure, list(figure.subplots(1, count, squeeze=False)[0])


def _figure(width: float, height: float) -> Figure:
    try:
        # Not pyplot, which would look for a display.
        from matplotlib.figure import Figure
    except ImportError:
        raise Error("a picture takes matplotlib, which is not installed: pip install matplotlib") from None
    return Figure(figsize=(width, height), layout="constrained")
