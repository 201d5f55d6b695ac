"""Runs `mj` for tests: inside this process, or as a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from millijoule.tools.main import cli

EXAMPLE = Path(__file__).resolve().parent.parent / "examples" / "fashion_mnist"
ZOO = Path(os.environ.get("MILLIJOULE_ZOO", Path(__file__).resolve().parents[2] / "shared" / "zoo"))
START = "from millijoule.tools.main import main; main()"


def mj(*arguments: object, **environment: str) -> Result:
    """Inside this process; what is no error of the user's is raised here, as a test has not foreseen it."""
    return CliRunner(env=environment).invoke(cli, [str(item) for item in arguments], catch_exceptions=False)


def mj_json(*arguments: object) -> Any:
    done = mj(*arguments, "--json")
    assert done.exit_code == 0, done.stderr
    return json.loads(done.stdout)


def mj_energy(*arguments: object, **environment: str) -> Result:
    """`mj energy` for as long as it takes: on a busy computer the sensor's thread may get no time within a second."""
    for duration in (1, 5, 25):
        done = mj("energy", *arguments, "--duration", duration, **environment)
        if "was silent" not in done.stderr:
            break
    return done


def mj_process(
    *arguments: object, code: str = START, cwd: Path | None = None, encoding: str | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.run(
        command,
        capture_output=True,
        text=True,
        encoding=encoding,
        timeout=300,
        cwd=cwd,
        env={**os.environ, **environment},
    )


def one_line(text: str) -> bool:
    """Whether an error message is one line that says who speaks, and no traceback."""
    return text.count("\n") == 1 and text.startswith("mj: ")
