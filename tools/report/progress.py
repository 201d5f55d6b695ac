"""Shows what takes long, on standard error, so that standard output stays the result."""

from __future__ import annotations

import atexit
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import click

from .display import counted

QUIET = 1.0
"""Seconds that may pass in silence where standard error is no terminal."""
INTERVAL = 5.0


class CompileProgress:
    """Called as progress(done, total, kernel); a bar on a terminal, else a line now and then."""

    doing, at_length, finished = "compiling kernels", "compiling kernels, which is done once", ("compiled", "kernel")

    def __init__(self) -> None:
        self._bar: Any = None
        self._began: float | None = None
        self._said = 0.0

    def __call__(self, done: int, total: int, kernel: str) -> None:
        if sys.stderr.isatty():
            self._draw(done, total, kernel)
        else:
            self._say(done, total)

    def _draw(self, done: int, total: int, kernel: str) -> None:
        if self._bar is None:
            self._bar = click.progressbar(
                length=total, label=self.doing, show_pos=True, item_show_func=lambda item: item, file=sys.stderr
            )
            # Drawn anew for a new kernel, too.
            self._bar.update_min_steps = 0
            # An error on the way, or Ctrl-C, must not leave the terminal without its cursor.
            atexit.register(self._bar.render_finish)
        self._bar.update(done - self._bar.pos, kernel.partition("(")[0])
        if done == total:
            self._bar.render_finish()
            atexit.unregister(self._bar.render_finish)
            self._bar = None

    def _say(self, done: int, total: int) -> None:
        now = time.monotonic()
        if self._began is None:
            self._began, self._said = now, now - INTERVAL
        if now - self._began < QUIET:
            return
        if done == total:
            did, unit = self.finished
            print(f"{did} {counted(total, unit)} in {now - self._began:.1f} s", file=sys.stderr)
            self._began = None
        elif now - self._said >= INTERVAL:
            self._said = now
            print(f"{self.at_length}: {done} of {total}", file=sys.stderr, flush=True)


class MeasureProgress(CompileProgress):
    """How many rounds are done, of what is being measured."""

    doing, at_length, finished = "measuring", "measuring, rounds", ("measured", "round")

    def __init__(self, rounds: int) -> None:
        super().__init__()
        self._rounds, self._done, self._what = rounds, 0, ""

    def at(self, what: str) -> None:
        self._what = what
        self(self._done, self._rounds, what)

    def step(self) -> None:
        self._done += 1
        self(self._done, self._rounds, self._what)


class SampleProgress(CompileProgress):
    """How many samples a model has been asked about."""

    doing, at_length, finished = "asking", "asking, samples", ("asked about", "sample")


class WorkProgress:
    """Work of several kinds, one within another: what is being done is the last line of a terminal, elsewhere a line
    now and then. `close` takes the line away."""

    def __init__(self) -> None:
        self._said = time.monotonic()

    def __call__(self, done: int, total: int, what: str) -> None:
        text = f"{what}, {done} of {total}" if total else what
        now = time.monotonic()
        if sys.stderr.isatty():
            click.echo(f"\r\x1b[K{text[: shutil.get_terminal_size().columns - 1]}", nl=False, err=True)
        elif now - self._said >= INTERVAL:
            self._said = now
            print(text, file=sys.stderr, flush=True)

    def close(self) -> None:
        if sys.stderr.isatty():
            click.echo("\r\x1b[K", nl=False, err=True)


@contextmanager
def busy(what: str) -> Iterator[None]:
    """Says so while the block runs, where standard error is a terminal."""
    if not sys.stderr.isatty():
        yield
        return
    click.echo(f"{what} ...", nl=False, err=True)
    try:
        yield
    finally:
        click.echo("\r\x1b[K", nl=False, err=True)


def say(what: str) -> None:
    """One line, where standard error is a terminal."""
    if sys.stderr.isatty():
        click.echo(what, err=True)
