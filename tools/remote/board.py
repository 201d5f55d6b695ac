"""millijoule on the other side: that it is there, and of the same version; and a folder for what it needs."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Final

from ...runtime.errors import Error
from .ssh import Ssh, last_line

START: Final = "from millijoule.tools.main import main; main()"
PROBE: Final = """
import json, tempfile
from importlib.metadata import version
from millijoule.device_profiles import load
from millijoule.runtime.errors import Error
from millijoule.runtime.targets.target import resolve
try:
    target = resolve(load().target).name
except Error:
    target = None
print(json.dumps({"version": version("millijoule"), "target": target, "folder": tempfile.mkdtemp(prefix="mj-")}))
"""


@dataclass(frozen=True)
class Board:
    """target: what its CPU runs best; None where it has no machine code. folder: its own, gone with the connection."""

    ssh: Ssh
    python: str
    target: str | None
    folder: str

    def mj(self, arguments: Sequence[str]) -> tuple[int, str]:
        """The exit status, and what it writes to standard output."""
        line = shlex.join(["-c", START, *arguments])
        done = self.ssh.run(f"cd {shlex.quote(self.folder)} && {self.python} {line}")
        return done.returncode, done.stdout


@contextmanager
def connected(host: str, python: str) -> Iterator[Board]:
    """python: the command there, such as python3 or ~/venv/bin/python. Error where there is no millijoule of this
    version."""
    shell = _for_shell(python)
    with Ssh(host) as ssh:
        done = ssh.ask(f"{shell} {shlex.join(['-c', PROBE])}")
        if done.returncode:
            raise Error(
                f"--host {host}: {python} cannot import millijoule there ({last_line(done.stderr)}): install it as "
                "docs/deploy.md says, or name the Python that has it with --host-python"
            )
        found = json.loads(done.stdout.splitlines()[-1])
        try:
            if found["version"] != version("millijoule"):
                raise Error(
                    f"--host {host}: millijoule {found['version']} is there and {version('millijoule')} here; install "
                    "the same on both"
                )
            yield Board(ssh, shell, found["target"], found["folder"])
        finally:
            ssh.run(f"rm -rf {shlex.quote(found['folder'])}")


def _for_shell(python: str) -> str:
    """Quoted, but for a home folder, which the other side knows."""
    if python.startswith("~/"):
        return f'"$HOME"/{shlex.quote(python[2:])}'
    return shlex.quote(python)
