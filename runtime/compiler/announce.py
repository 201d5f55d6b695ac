"""One line for whoever waits at a terminal or notebook while kernels are compiled for the first time."""

from __future__ import annotations

import os
import sys

SILENCE = "MILLIJOULE_QUIET"
"""The environment variable that, where it is set to anything but 0, stops the line."""


class Announcement:
    """Called as progress(done, total, kernel)."""

    def __init__(self, target: str) -> None:
        self._target = target
        self._said = False

    def __call__(self, done: int, total: int, kernel: str) -> None:
        if self._said or done == total or not _watched():
            return
        self._said = True
        kernels = f"{total} kernel{'s' if total > 1 else ''}"
        print(
            f"millijoule: compiling {kernels} for {self._target}; they are kept for next time",
            file=sys.stderr,
            flush=True,
        )


def _watched() -> bool:
    """Whether somebody looks at standard error: a log needs no such line."""
    if os.environ.get(SILENCE, "0") not in ("", "0"):
        return False
    return "ipykernel" in sys.modules or (sys.stderr is not None and sys.stderr.isatty())
