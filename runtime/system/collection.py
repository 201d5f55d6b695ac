"""Python's search for garbage, put off."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_collection() -> Iterator[None]:
    """For what makes many objects that it keeps until the end, as compiling and planning do: to look through them again
    and again takes a twentieth of a compiler's time, and a third of that of a plan with tens of thousands of steps. And
    for what is timed."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()
