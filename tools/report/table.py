"""Tables as text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from textwrap import wrap

import click

GAP = "  "
LEAST = 12
"""Characters that a column of text keeps where the table is too wide for the terminal."""


def lay_out(columns: Sequence[str], rows: Iterable[Sequence[object]], width: int) -> list[str]:
    """The lines of a table of at most so many characters, as far as its columns can be folded.

    Columns are left-aligned and folded, or right-aligned and whole where their name begins with '>'; there is no head
    where no column has a name. A name may have several lines.
    """
    heads = [name.lstrip(">").split("\n") for name in columns]
    right = [name.startswith(">") for name in columns]
    cells = [[_printable(str(cell)) for cell in row] for row in rows]
    tallest = max(map(len, heads))
    top = list(zip(*([""] * (tallest - len(head)) + head for head in heads), strict=True))
    widths = [max(map(len, column)) for column in zip(*top, *cells, strict=True)]
    _shrink(widths, right, width - len(GAP) * (len(widths) - 1))
    lines = []
    if any(columns):
        lines = [click.style(_line(line, widths, right), bold=True) for line in top]
        lines.append(GAP.join("-" * size for size in widths))
    for row in cells:
        folded = [
            wrap(cell, max(1, size), break_on_hyphens=False) or [""] for cell, size in zip(row, widths, strict=True)
        ]
        for index in range(max(map(len, folded))):
            parts = [part[index] if index < len(part) else "" for part in folded]
            lines.append(_line(parts, widths, right))
    return lines


def _shrink(widths: list[int], right: Sequence[bool], room: int) -> None:
    """Takes what is too much off the widest columns that may be folded."""
    foldable = [index for index, whole in enumerate(right) if not whole]
    while sum(widths) > room and foldable:
        widest = max(foldable, key=lambda index: widths[index])
        if widths[widest] <= LEAST:
            return
        widths[widest] -= 1


def _line(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    padded = (
        cell.rjust(size) if whole else cell.ljust(size) for cell, size, whole in zip(cells, widths, right, strict=True)
    )
    return GAP.join(padded).rstrip()


def _printable(text: str) -> str:
    """Names come from models, and may hold what moves a terminal's cursor."""
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in text)
