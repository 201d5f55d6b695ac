"""A report as Markdown."""

from __future__ import annotations

import re
from collections.abc import Sequence

from .contents import Named, Table, sections

SPECIAL = re.compile(r"([\\`*_\[\]<>|~#&$])")


def write_markdown(runs: Sequence[Named]) -> str:
    lines = ["# millijoule: " + ", ".join(escape(each.name) for each in runs), ""]
    for section in sections(runs):
        lines += [f"## {escape(section.title)}", ""]
        lines += [f"- {escape(note)}" for note in section.notes] + ([""] if section.notes else [])
        for table in section.tables:
            if section.run is not None:
                lines += [f"### {escape(table.title)}", ""]
            lines += [*_table(table), ""]
    return "\n".join(lines)


def _table(table: Table) -> list[str]:
    heads = [escape(name.removeprefix(">")) for name in table.columns]
    rule = ["---:" if name.startswith(">") else "---" for name in table.columns]
    rows = [[escape(cell.text) for cell in row] for row in table.rows]
    return [f"| {' | '.join(row)} |" for row in (heads, rule, *rows)]


def escape(text: str) -> str:
    """Text that nothing in it turns into markup, on one line."""
    shown = "".join(letter if letter.isprintable() else " " for letter in text)
    return SPECIAL.sub(r"\\\1", shown)
