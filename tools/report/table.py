"""Tables as text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import click

from .printable import printable

GAP = "  "
LEAST = 12
"""Characters that a column of text keeps where the table is too wide for the terminal."""
MARKS = "-/._:,;="
"""What a name may be broken behind, so that its parts stay readable."""


def lay_out(columns: Sequence[str], rows: Iterable[Sequence[object]], width: int) -> list[str]:
    """The lines of a table of at most so many characters, as far as its columns can be folded.

    Columns are left-aligned and folded, or right-aligned and whole where their name begins with '>'; there is no head
    where no column has a name. A name may have several lines. Where even so they do not fit beside each other, a second
    table has the rest of them, behind the first column.
    """
    heads = [name.lstrip(">").split("\n") for name in columns]
    right = [name.startswith(">") for name in columns]
    cells = [[printable(str(cell)) for cell in row] for row in rows]
    tallest = max(map(len, heads))
    top = list(zip(*([""] * (tallest - len(head)) + head for head in heads), strict=True))
    widths = [max(map(len, column)) for column in zip(*top, *cells, strict=True)]
    room = width - len(GAP) * (len(widths) - 1)
    longest = [max(LEAST, _longest_word(column)) for column in zip(*cells, strict=True)] or widths
    _shrink(widths, right, room, longest)
    whole = list(widths)
    _shrink(widths, right, room, [LEAST] * len(widths))
    several = _parts(whole, width) if sum(widths) > room else []
    if len(several) > 1:
        picked = (([columns[i] for i in part], [[row[i] for i in part] for row in cells]) for part in several)
        return [line for part in picked for line in ("", *lay_out(*part, width))][1:]
    lines = []
    if any(columns):
        lines = [click.style(_line(line, widths, right), bold=True) for line in top]
        lines.append(GAP.join("-" * size for size in widths).rstrip())
    for row in cells:
        folded = [_fold(cell, max(1, size)) for cell, size in zip(row, widths, strict=True)]
        for index in range(max(map(len, folded))):
            parts = [part[index] if index < len(part) else "" for part in folded]
            lines.append(_line(parts, widths, right))
    return lines


def _parts(widths: Sequence[int], width: int) -> list[list[int]]:
    """Columns that fit beside each other, the first one in every part."""
    parts = [[0]]
    for index in range(1, len(widths)):
        taken = parts[-1]
        if len(taken) > 1 and sum(widths[i] + len(GAP) for i in taken) + widths[index] > width:
            parts.append([0])
        parts[-1].append(index)
    return parts


def _longest_word(column: Sequence[str]) -> int:
    return max((len(word) for cell in column for word in cell.split()), default=0)


def _shrink(widths: list[int], right: Sequence[bool], room: int, least: Sequence[int]) -> None:
    """Takes what is too much off the widest columns that may be folded and are wider than the least."""
    while sum(widths) > room:
        wide = [index for index, whole in enumerate(right) if not whole and widths[index] > least[index]]
        if not wide:
            return
        widths[max(wide, key=lambda index: widths[index])] -= 1


def _fold(cell: str, size: int) -> list[str]:
    """Lines of at most so many characters, broken between words, and in a longer word behind one of MARKS."""
    if len(cell) <= size:
        return [cell]
    lines, line = [], ""
    for word in cell.split():
        if line and len(line) + 1 + len(word) <= size:
            line = f"{line} {word}"
            continue
        if line:
            lines.append(line)
        while len(word) > size:
            marked = max(word.rfind(mark, 0, size) for mark in MARKS) + 1
            at = marked if marked > size // 2 else size
            lines.append(word[:at])
            word = word[at:]
        line = word
    return [*lines, line]


def _line(cells: Sequence[str], widths: Sequence[int], right: Sequence[bool]) -> str:
    padded = (
        cell.rjust(size) if whole else cell.ljust(size) for cell, size, whole in zip(cells, widths, right, strict=True)
    )
    return GAP.join(padded).rstrip()
