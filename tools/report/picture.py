"""Pictures of results, where matplotlib is installed: nothing else needs it."""

from __future__ import annotations

from collections.abc import Sequence
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


def accuracy_and_share(axis: Any, x: Sequence[float], accuracy: Sequence[float], share: Sequence[float]) -> None:
    """Both over the same axis, with a scale each: accuracy on the left, the share asked on the right."""
    axis.plot(x, accuracy, color="tab:blue")
    axis.set_ylabel("accuracy", color="tab:blue")
    other = axis.twinx()
    other.plot(x, share, color="tab:orange")
    other.set_ylabel("last stage asked", color="tab:orange")
    other.set_ylim(0, 1.02)


def _figure(width: float, height: float) -> Figure:
    try:
        # Not pyplot, which would look for a display.
        from matplotlib.figure import Figure
    except ImportError:
        raise Error("a picture takes matplotlib, which is not installed: pip install matplotlib") from None
    return Figure(figsize=(width, height), layout="constrained")
