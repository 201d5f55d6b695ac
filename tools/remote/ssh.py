"""Another computer, reached by the system's own ssh and scp: keys and ports are as ~/.ssh/config has them."""

from __future__ import annotations

import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from types import TracebackType
from typing import Final

from ...runtime.errors import Error, InputError

REFUSED: Final = 255
"""What ssh itself ends with where it reaches nobody."""
PATIENCE: Final = 15
"""Seconds for the other side to answer at first."""
IDLE: Final = 60
"""Seconds after the last command in which the connection is kept, should it not be closed."""


class Ssh:
    """One connection for all commands, so that a password is asked for once. host: as ssh takes it."""

    def __init__(self, host: str) -> None:
        if host.startswith("-") or not host or any(letter.isspace() for letter in host):
            raise InputError(f"--host {host}: USER@BOARD is wanted")
        for program in ("ssh", "scp"):
            if shutil.which(program) is None:
                raise Error(f"--host needs {program}, which is not installed here")
        self.host = host

    def __enter__(self) -> Ssh:
        # Its path must be short: a socket's has some hundred characters at most.
        self._folder = tempfile.TemporaryDirectory(prefix="mj")
        self._options = [
            *("-o", "ControlMaster=auto", "-o", f"ControlPath={self._folder.name}/c", "-o", f"ControlPersist={IDLE}"),
            *("-o", f"ConnectTimeout={PATIENCE}"),
        ]
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        subprocess.run(["ssh", *self._options, "-O", "exit", self.host], capture_output=True)
        self._folder.cleanup()

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        """A line for the shell there; what it says on standard error appears here at once. Error where nobody is
        reached."""
        done = self._run(command, None)
        if done.returncode == REFUSED:
            raise self._unreachable("it lost the connection")
        return done

    def ask(self, command: str) -> subprocess.CompletedProcess[str]:
        """The same, with standard error kept."""
        done = self._run(command, subprocess.PIPE)
        if done.returncode == REFUSED:
            raise self._unreachable(last_line(done.stderr))
        return done

    def _run(self, command: str, errors: int | None) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["ssh", *self._options, self.host, command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=errors, text=True, errors="replace",
        )  # fmt: skip

    def _unreachable(self, reason: str) -> Error:
        return Error(f"--host {self.host}: ssh failed: {reason}; `ssh {shlex.quote(self.host)}` has to work first")

    def send(self, files: Sequence[str], folder: str) -> None:
        self._copy([*(f"./{file}" if _like_a_host(file) else file for file in files), f"{self.host}:{folder}/"])

    def fetch(self, file: str, output: str) -> None:
        self._copy([f"{self.host}:{file}", f"./{output}" if _like_a_host(output) else output])

    def _copy(self, names: Sequence[str]) -> None:
        done = subprocess.run(["scp", "-q", *self._options, "--", *names], capture_output=True, text=True)
        if done.returncode:
            raise Error(f"--host {self.host}: scp failed: {last_line(done.stderr)}")


def last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1].strip() if lines else "it says nothing"


def _like_a_host(file: str) -> bool:
    """scp takes what has a colon before any slash for a file of another computer."""
    return ":" in file.partition("/")[0]
