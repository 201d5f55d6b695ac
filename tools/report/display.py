"""How results look: tables for people, JSON for programs."""

from __future__ import annotations

import errno
import json
import math
import os
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import click

from ...runtime.errors import Error
from .printable import printable

WIDE = 200
"""Columns of a table that goes into a file or a pipe, where nothing has to fit a window."""
LEAST = 40
"""No table is laid out for fewer columns."""


def room() -> int:
    """Columns that a line may take: the environment's COLUMNS, else the terminal's, else WIDE."""
    if sys.stdout.isatty() or os.environ.get("COLUMNS", "").isdecimal():
        import shutil  # which imports five compressors

        return max(LEAST, shutil.get_terminal_size().columns)
    return WIDE


def emit(text: str) -> None:
    """Writes to standard output and makes sure that it arrived; Error where it cannot (a full disk), after which what
    is written there is lost."""
    try:
        # Named, as click takes a stream of plain ASCII for a mistake and writes UTF-8 instead.
        click.echo(text, file=sys.stdout)
        sys.stdout.flush()
    except OSError as error:
        if error.errno == errno.EPIPE:
            raise
        discard_output()
        raise Error(f"cannot write to standard output: {error.strerror}") from None


def discard_output() -> None:
    """What is left to be written goes nowhere: the interpreter would try again at its end, and say that it can't."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def emit_sentence(text: str) -> None:
    """Writes lines of text, broken between words where one is wider than the room."""
    import textwrap

    for line in printable(text, keep="\n").split("\n"):
        emit(textwrap.fill(line, room(), break_long_words=False, break_on_hyphens=False))


def finite(value: float | None) -> float | None:
    """What JSON has no number for, as null."""
    return value if value is not None and math.isfinite(value) else None


def emit_json(value: Any) -> None:
    """Reports get a list of the warnings that were said meanwhile."""
    if isinstance(value, dict):
        context = click.get_current_context(silent=True)
        value = {**value, "warnings": list(context.find_root().obj or ()) if context is not None else []}
    plain = not (sys.stdout.encoding or "utf-8").lower().startswith("utf")
    emit(json.dumps(value, indent=2, ensure_ascii=plain, allow_nan=False))


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """A table whose columns are left-aligned, or right-aligned where their name begins with '>'; without a head where
    no column has a name. Left-aligned cells are folded where the table would be wider than the room."""
    from .table import lay_out

    heading = [click.style(title, bold=True), ""] if title else []
    emit("\n".join([*heading, *lay_out(columns, rows, room())]) + "\n")


def provenance(report: Mapping[str, Any]) -> str:
    """Two lines for the end of a report of measurements: its target, machine and versions."""
    machine = report["machine"]
    listed = ", ".join(f"{name} {number}" for name, number in report["versions"].items() if number)
    where = f"{machine['cpu']}, {counted(machine['usable_cpus'], 'CPU')} usable, load {machine['load_average']}"
    return f"target {report['target']} on {where}\n{listed}"


def duration(seconds: float) -> str:
    """A duration in the unit that reads best."""
    if seconds < 1e-3:
        return f"{seconds * 1e6:.1f} us"
    if seconds < 1:
        return f"{seconds * 1e3:.2f} ms"
    return f"{seconds:.2f} s"


def factor(ratio: float) -> str:
    """In at most four characters, so that a table keeps its width where a disturbance makes a ratio absurd."""
    return f"{ratio:.2f}" if ratio < 9.995 else f"{ratio:.0f}" if ratio < 99.5 else ">99"


def size(count: int) -> str:
    """Bytes in the unit that reads best, powers of 1024."""
    if count < 1024:
        return f"{count} B"
    if count < 1 << 20:
        return f"{count / 1024:.1f} KiB"
    return f"{count / (1 << 20):.2f} MiB"


def counted(number: int, what: str) -> str:
    """How many there are of something: 1 thread, 2 threads."""
    return f"{number} {what}{'' if number == 1 else 's'}"


def shape(dims: Sequence[int | str] | None) -> str:
    if dims is None:
        return "any"
    if any(isinstance(dim, str) for dim in dims):
        return f"({', '.join(map(str, dims))})"
    return "x".join(map(str, dims)) or "scalar"


def shorten(text: str, most: int = 60) -> str:
    """Both ends of a long name."""
    return text if len(text) <= most else f"{text[: most // 2 - 1]}..{text[-(most // 2 - 1) :]}"
