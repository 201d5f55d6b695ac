"""How results look: tables for people, JSON for programs."""

from __future__ import annotations

import errno
import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click

from ...runtime.errors import Error

WIDE = 200
"""Columns of a table that goes into a file or a pipe, where nothing has to fit a window."""


def emit(text: str) -> None:
    """Writes to standard output and makes sure that it arrived; Error where it cannot (a full disk)."""
    try:
        click.echo(text)
        sys.stdout.flush()
    except OSError as error:
        if error.errno == errno.EPIPE:
            raise
        raise Error(f"cannot write to standard output: {error.strerror}") from None


def emit_json(value: Any) -> None:
    emit(json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False))


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table whose columns are left-aligned, or right-aligned where their name begins with '>'; without a head where
    no column has a name."""
    from shutil import get_terminal_size

    from .table import lay_out

    width = get_terminal_size().columns if sys.stdout.isatty() else WIDE
    heading = [click.style(title, bold=True), ""] if title else []
    emit("\n".join([*heading, *lay_out(columns, rows, width)]) + "\n")


def provenance(report: Mapping[str, Any]) -> str:
    """Two lines for the end of a report of measurements: its target, machine and versions."""
    machine = report["machine"]
    listed = ", ".join(f"{name} {number}" for name, number in report["versions"].items() if number)
    where = f"{machine['cpu']}, {machine['usable_cpus']} CPUs usable, load {machine['load_average']}"
    return f"target {report['target']} on {where}\n{listed}"


def duration(seconds: float) -> str:
    """A duration in the unit that reads best."""
    if seconds < 1e-3:
        return f"{seconds * 1e6:.1f} us"
    if seconds < 1:
        return f"{seconds * 1e3:.2f} ms"
    return f"{seconds:.2f} s"


def size(count: int) -> str:
    """Bytes in the unit that reads best, powers of 1024."""
    if count < 1024:
        return f"{count} B"
    if count < 1 << 20:
        return f"{count / 1024:.1f} KiB"
    return f"{count / (1 << 20):.2f} MiB"


def shape(dims: Sequence[int | str] | None) -> str:
    if dims is None:
        return "any"
    if any(isinstance(dim, str) for dim in dims):
        return f"({', '.join(map(str, dims))})"
    return "x".join(map(str, dims)) or "scalar"


def shorten(text: str, most: int = 60) -> str:
    """Both ends of a long name."""
    return text if len(text) <= most else f"{text[: most // 2 - 1]}..{text[-(most // 2 - 1) :]}"
