"""Shows what takes long, on standard error, so that standard output stays the result."""

from __future__ import annotations

import atexit
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

QUIET = 1.0
"""Seconds that may pass in silence where standard error is no terminal."""
INTERVAL = 5.0


class CompileProgress:
    """Called as progress(done, total, kernel); a bar on a terminal, else a line now and then."""

    doing, at_length, finished = "compiling kernels", "compiling kernels, which is done once", "compiled {} kernels"
    live = True

    def __init__(self) -> None:
        self._bar: Progress | None = None
        self._task: TaskID | None = None
        self._began: float | None = None
        self._said = 0.0

    def __call__(self, done: int, total: int, kernel: str) -> None:
        if sys.stderr.isatty():
            self._draw(done, total, kernel)
        else:
            self._say(done, total)

    def _draw(self, done: int, total: int, kernel: str) -> None:
        if self._bar is None or self._task is None:
            from rich.console import Console
            from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

            columns = (
                TextColumn(self.doing),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                TextColumn("[dim]{task.description}"),
            )
            self._bar = Progress(*columns, console=Console(stderr=True), transient=True, auto_refresh=self.live)
            self._bar.start()
            # An error on the way, or Ctrl-C, must not leave the terminal without its cursor.
            atexit.register(self._bar.stop)
            self._task = self._bar.add_task("", total=total)
        self._bar.update(self._task, completed=done, total=total, description=kernel.partition("(")[0], refresh=True)
        if done == total:
            self._bar.stop()
            atexit.unregister(self._bar.stop)
            self._bar = self._task = None

    def _say(self, done: int, total: int) -> None:
        now = time.monotonic()
        if self._began is None:
            self._began, self._said = now, now - INTERVAL
        if now - self._began < QUIET:
            return
        if done == total:
            print(f"{self.finished.format(total)} in {now - self._began:.1f} s", file=sys.stderr)
            self._began = None
        elif now - self._said >= INTERVAL:
            self._said = now
            print(f"{self.at_length}: {done} of {total}", file=sys.stderr, flush=True)


class MeasureProgress(CompileProgress):
    """How many rounds are done, of what is being measured. Drawn only when that changes: a thread that draws would be
    measured too."""

    doing, at_length, finished = "measuring", "measuring, rounds", "measured {} rounds"
    live = False

    def __init__(self, rounds: int) -> None:
        super().__init__()
        self._rounds, self._done, self._what = rounds, 0, ""

    def at(self, what: str) -> None:
        self._what = what
        self(self._done, self._rounds, what)

    def step(self) -> None:
        self._done += 1
        self(self._done, self._rounds, self._what)


@contextmanager
def busy(what: str) -> Iterator[None]:
    """A spinner while the block runs, where standard error is a terminal."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(what):
        yield
