"""`mj doctor`: what a bug report needs, also where something is broken."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import click

from .. import options
from ..remote.command import HostCommand


@click.command(
    "doctor", cls=HostCommand, short_help="Show CPU, target, kernel cache and versions, and what is wrong with them."
)
@options.host
@options.as_json
def command(as_json: bool) -> None:
    """Show what millijoule finds on this computer: put this into a bug report.

    Every part is looked at on its own, so that one that is broken does not hide the others; problems are listed last.
    Nothing is compiled. No names of users, hosts or folders other than the cache's and Python's are printed.

    \b
    Examples:
      mj doctor
      mj doctor --json > report.json
      mj doctor --host pi@raspberrypi
      mj doctor --host pi@raspberrypi
    """
    from ..measure import checkup
    from ..report.display import emit_json

    report: dict[str, Any] = {}
    problems: list[str] = []
    for name, look in checkup.PARTS.items():
        report[name] = _look(name, look, problems)
    report["problems"] = problems
    if as_json:
        emit_json(report)
    else:
        _show(report)


def _look(name: str, look: Callable[[list[str]], Any], problems: list[str]) -> Any:
    """What the part reports; where it fails, why: that is what the doctor is for."""
    try:
        return look(problems)
    except Exception as error:
        problems.append(f"{name}: {type(error).__name__}: {error}")
        return None


def _show(report: Mapping[str, Any]) -> None:
    from ..report.display import emit, table

    for name, part in report.items():
        if name == "problems" or part is None:
            continue
        table(
            name.replace("_", " "),
            ["", ""],
            [[key if key.isupper() else key.replace("_", " "), _text(value)] for key, value in part.items()],
        )
    if report["problems"]:
        emit("Problems\n")
        for problem in report["problems"]:
            emit(f"  {problem}")
    else:
        emit("No problems found.")


def _text(value: object) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return " ".join(map(str, value)) or "none"
    return str(value)
